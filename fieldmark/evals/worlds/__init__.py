"""Worlds of the aviary to measure in: how hard they are, and what is drawn for them."""
