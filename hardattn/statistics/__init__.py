"""Statistics: intervals over seeds and images, how surprising a difference is, both at once."""
