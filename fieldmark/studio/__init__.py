"""The studio: pages on this machine for people who do not type commands, over the records of the commands."""
