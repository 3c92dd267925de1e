"""Labelling instructions for a labelled set or a concept, and how well somebody labels by them alone."""
