"""Fieldmark as tools for a language model, by the Model Context Protocol."""
