"""Results become a table, pictures and a page. Imports nothing by itself."""
