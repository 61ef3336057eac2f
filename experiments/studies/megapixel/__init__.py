"""Where only hard attention can go: digits among noise on canvases that nobody can see whole."""
