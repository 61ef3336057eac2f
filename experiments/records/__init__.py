"""What is kept of a run: its folder, sources, state and times, and what is committed of it."""
