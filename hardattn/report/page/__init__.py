"""The page that people look at: one HTML file that fetches nothing."""
