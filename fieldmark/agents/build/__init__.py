"""Builds the classifier of a concept as a graph: mine, annotate, train, refine, measure."""
