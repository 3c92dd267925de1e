"""Labelling instructions for a set of classes: what they say, and how they are written down."""
