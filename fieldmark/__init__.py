"""Fieldmark tells look-alike image classes apart; this module names what is public.

It loads nothing heavy: each name is imported on first use, and importing it does no I/O.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldmark.agents.build.options import BuildOptions
    from fieldmark.agents.define.options import DefineOptions
    from fieldmark.agents.optimize.options import OptimizeOptions
    from fieldmark.agents.optimize.search_run import OptimizeResult
    from fieldmark.agents.resolve.options import ResolveOptions
    from fieldmark.app import (
        Classifier,
        ConceptBuilder,
        ConceptClassifier,
        ConceptConversation,
        Optimizer,
        Resolution,
    )
    from fieldmark.app.evaluate.evaluator import Evaluator
    from fieldmark.errors import (
        EndpointError,
        FieldmarkError,
        InputError,
        LimitReached,
        QuestionFailed,
        RunError,
    )
    from fieldmark.evals.table.options import EvalOptions
    from fieldmark.evals.table.records import EvalResult
    from fieldmark.records import (
        Clause,
        Costs,
        Definition,
        Limits,
        Origin,
        Prediction,
        Prompt,
        PromptBook,
        RunManifest,
        Unread,
        Usage,
    )
    from fieldmark.tools.clip.encoder import Encoder
    from fieldmark.tools.llm.chat import LanguageModel

__version__ = "0.1.0"

_HOME = {
    "BuildOptions": "fieldmark.agents.build.options",
    "Classifier": "fieldmark.app.classifier",
    "Clause": "fieldmark.records",
    "ConceptBuilder": "fieldmark.app.concepts.builder",
    "ConceptClassifier": "fieldmark.app.concepts.classifier",
    "ConceptConversation": "fieldmark.app.concepts.conversation",
    "Costs": "fieldmark.records",
    "DefineOptions": "fieldmark.agents.define.options",
    "Definition": "fieldmark.records",
    "Encoder": "fieldmark.tools.clip.encoder",
    "EndpointError": "fieldmark.errors",
    "EvalOptions": "fieldmark.evals.table.options",
    "EvalResult": "fieldmark.evals.table.records",
    "Evaluator": "fieldmark.app.evaluate.evaluator",
    "FieldmarkError": "fieldmark.errors",
    "InputError": "fieldmark.errors",
    "LanguageModel": "fieldmark.tools.llm.chat",
    "LimitReached": "fieldmark.errors",
    "Limits": "fieldmark.records",
    "OptimizeOptions": "fieldmark.agents.optimize.options",
    "OptimizeResult": "fieldmark.agents.optimize.search_run",
    "Optimizer": "fieldmark.app.optimizer",
    "Origin": "fieldmark.records",
    "Prediction": "fieldmark.records",
    "Prompt": "fieldmark.records",
    "PromptBook": "fieldmark.records",
    "QuestionFailed": "fieldmark.errors",
    "Resolution": "fieldmark.app.resolution",
    "ResolveOptions": "fieldmark.agents.resolve.options",
    "RunError": "fieldmark.errors",
    "RunManifest": "fieldmark.records",
    "Unread": "fieldmark.records",
    "Usage": "fieldmark.records",
}

__all__ = [
    "BuildOptions",
    "Classifier",
    "Clause",
    "ConceptBuilder",
    "ConceptClassifier",
    "ConceptConversation",
    "Costs",
    "DefineOptions",
    "Definition",
    "Encoder",
    "EndpointError",
    "EvalOptions",
    "EvalResult",
    "Evaluator",
    "FieldmarkError",
    "InputError",
    "LanguageModel",
    "LimitReached",
    "Limits",
    "OptimizeOptions",
    "OptimizeResult",
    "Optimizer",
    "Origin",
    "Prediction",
    "Prompt",
    "PromptBook",
    "QuestionFailed",
    "Resolution",
    "ResolveOptions",
    "RunError",
    "RunManifest",
    "Unread",
    "Usage",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'fieldmark' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
