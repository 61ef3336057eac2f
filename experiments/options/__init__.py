"""What can be set of a function or class: read from its signature, checked, and said in words."""
