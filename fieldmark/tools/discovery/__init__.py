"""Finds groups in images that nobody listed classes for, and what each may be called."""
