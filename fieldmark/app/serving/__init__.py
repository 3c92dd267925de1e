"""A language model served on this machine, and how many questions a second it answers."""
