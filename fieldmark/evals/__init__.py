"""Measures: methods of the field in one table, the demo, simulated owners, metrics, reports."""
