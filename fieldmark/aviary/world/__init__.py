"""The embedded world: species, attributes, pictures."""
