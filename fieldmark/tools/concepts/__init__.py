"""What a concept is made of on disk: folder, pool, mining, blind sample, heads."""
