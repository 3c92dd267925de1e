"""Every question asked of a language model, with its answer model."""
