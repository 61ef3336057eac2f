"""A command line: what commands are, how words become a recipe, and a recipe words."""
