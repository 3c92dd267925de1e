"""Image files: found, decoded, laid out on contact sheets."""
