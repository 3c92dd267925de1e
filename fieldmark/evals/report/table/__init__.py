"""The page of a table of methods, and the same table in Markdown."""
