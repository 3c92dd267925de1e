"""Which images are worth a look, and how they are laid out."""
