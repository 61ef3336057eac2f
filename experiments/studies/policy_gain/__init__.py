"""Did it matter where a policy looked? Its looks are swapped for those of others."""
