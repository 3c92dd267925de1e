"""The conversation about a concept as a graph with interrupts."""
