"""Where the images of a table come from: the embedded world, or published sets."""
