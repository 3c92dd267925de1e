"""Evaluations of methods as a library or a command uses them."""
