"""Pools of images that are encoded for their own sake."""
