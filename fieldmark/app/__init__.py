"""Puts things together; alone reads settings, builds contexts, holds what is public and the graph factories.

Its names are imported on first use, so that a command about the cache loads no model library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldmark.agents.optimize.options import OptimizeOptions
    from fieldmark.agents.optimize.search_run import OptimizeResult
    from fieldmark.app.classifier import Classifier
    from fieldmark.app.concepts.builder import ConceptBuilder
    from fieldmark.app.concepts.classifier import ConceptClassifier
    from fieldmark.app.concepts.conversation import ConceptConversation
    from fieldmark.app.graphs import resolve_graph
    from fieldmark.app.inputs import check_classes, read_book, read_class_names
    from fieldmark.app.optimizer import Optimizer
    from fieldmark.app.resolution import Resolution
    from fieldmark.app.stores import Stores, open_llm, open_stores
    from fieldmark.settings import read_settings

_HOME = {
    "Classifier": "fieldmark.app.classifier",
    "ConceptBuilder": "fieldmark.app.concepts.builder",
    "ConceptClassifier": "fieldmark.app.concepts.classifier",
    "ConceptConversation": "fieldmark.app.concepts.conversation",
    "OptimizeOptions": "fieldmark.agents.optimize.options",
    "OptimizeResult": "fieldmark.agents.optimize.search_run",
    "Optimizer": "fieldmark.app.optimizer",
    "Resolution": "fieldmark.app.resolution",
    "Stores": "fieldmark.app.stores",
    "check_classes": "fieldmark.app.inputs",
    "open_llm": "fieldmark.app.stores",
    "open_stores": "fieldmark.app.stores",
    "read_book": "fieldmark.app.inputs",
    "read_class_names": "fieldmark.app.inputs",
    "read_settings": "fieldmark.settings",
    "resolve_graph": "fieldmark.app.graphs",
}

__all__ = [
    "Classifier",
    "ConceptBuilder",
    "ConceptClassifier",
    "ConceptConversation",
    "OptimizeOptions",
    "OptimizeResult",
    "Optimizer",
    "Resolution",
    "Stores",
    "check_classes",
    "open_llm",
    "open_stores",
    "read_book",
    "read_class_names",
    "read_settings",
    "resolve_graph",
]


def __getattr__(name: str) -> Any:
    """Import a name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'fieldmark.app' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
