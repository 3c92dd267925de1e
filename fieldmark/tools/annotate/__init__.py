"""Annotators label images for the owner of a concept, clause by clause."""
