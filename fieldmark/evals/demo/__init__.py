"""The demo: a ladder of methods on freshly drawn worlds."""
