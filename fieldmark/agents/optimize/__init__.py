"""The prompt search (ProAPO) as a graph."""
