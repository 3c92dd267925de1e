"""Concepts as a library or a command uses them."""
