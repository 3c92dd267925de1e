"""Trains the bundled aviary model from nothing but this package: render, warm up, align, export."""
