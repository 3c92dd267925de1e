"""Labels images by a method of the table in place of the loop."""
