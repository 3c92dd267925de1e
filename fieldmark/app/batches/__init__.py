"""Runs that ask by batch files."""
