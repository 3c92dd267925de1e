"""Prompt books: file formats, pairs, changes, templates, wording."""
