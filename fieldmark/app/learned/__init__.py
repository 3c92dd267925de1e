"""Takes along what a run learned: writes a classifier, and uses it."""
