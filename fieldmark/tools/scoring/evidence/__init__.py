"""Evidence with reliability: what names and votes say, each weighed by how reliable it is on this pool."""
