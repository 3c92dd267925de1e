"""Puts things together; alone reads settings, builds contexts, and holds the graph factories."""
