"""Where images are encoded: in this process, in one process a GPU, or by the workers of a Ray cluster."""
