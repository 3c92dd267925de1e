"""The ladder, reports and the aviary."""
