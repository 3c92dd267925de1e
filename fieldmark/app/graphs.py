"""Factories of the graphs for LangGraph's own tooling (`langgraph.json`).

They know nothing of models or runs: the tooling brings its own checkpointer.
"""

from fieldmark.agents.resolve import ResolveGraph, build_graph


def resolve_graph() -> ResolveGraph:
    """The resolve graph for LangGraph's own tooling; it brings its own checkpointer."""
    return build_graph()
