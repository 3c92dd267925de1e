"""Runs: folder, manifest, events, lock, resume."""
