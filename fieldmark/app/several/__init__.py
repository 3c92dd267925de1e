"""Several labels an image: which of the classes hold, each by itself."""
