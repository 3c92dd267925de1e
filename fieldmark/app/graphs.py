"""Factories of the graphs for LangGraph's own tooling (`langgraph.json`)."""

from fieldmark.agents.build import graph as build
from fieldmark.agents.define import graph as define
from fieldmark.agents.define import state as define_state
from fieldmark.agents.optimize import graph as optimize
from fieldmark.agents.resolve import graph as resolve


def resolve_graph() -> resolve.ResolveGraph:
    """The resolve graph."""
    return resolve.build_graph()


def optimize_graph() -> optimize.OptimizeGraph:
    """The graph of the prompt search."""
    return optimize.build_graph()


def build_graph() -> build.BuildGraph:
    """The making of a concept's classifier."""
    return build.build_graph()


def define_graph() -> define_state.DefineGraph:
    """The conversation about a concept."""
    return define.build_graph()
