"""What becomes of an agent on changed scenes."""
