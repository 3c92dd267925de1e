"""A concept step by step, for fronts that cannot wait in a loop, such as pages."""
