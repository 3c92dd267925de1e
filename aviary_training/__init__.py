"""Trains the bundled aviary model from drawn pictures alone: render, warm up, align, export."""
