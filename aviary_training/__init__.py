"""Trains the bundled aviary model from nothing but this package: render, warm up, align, export.

Knows nothing about the rest of Fieldmark; needs torch and open_clip, which only its steps import.
"""
