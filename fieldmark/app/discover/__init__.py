"""Finds names for images that nobody listed classes for."""
