"""A language model served on this machine: what it is given, its process, and how fast it answers."""
