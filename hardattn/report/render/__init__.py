"""Tables as text: for the terminal, Markdown, LaTeX, CSV and print."""
