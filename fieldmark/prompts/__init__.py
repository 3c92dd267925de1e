"""Every question asked of a language model: its text (a Markdown file) beside its answer model."""
