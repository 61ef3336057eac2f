"""A trained agent looks at one picture: what is drawn of that, and what its answer hangs on."""
