"""Loads templates, pool and group from the hashes in the state; memoised per process."""

from torch import Tensor

from fieldmark.agents.optimize import search
from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.gather import domain_words, load_notebook
from fieldmark.agents.optimize.pool import PromptPool
from fieldmark.agents.optimize.state import OptimizeState
from fieldmark.tools.search.candidates import Candidate


def opened_templates(state: OptimizeState, context: OptimizeContext) -> search.Templates:
    """The template library; made again, from stored vectors, by a process that took the run up."""
    kept = context.memo.get("templates")
    if not isinstance(kept, search.Templates):
        words = domain_words(load_notebook(state.notebook, context), context)
        kept = search.open_templates(context, words)
        context.memo["templates"] = kept
    return kept


def opened_pool(name: str, context: OptimizeContext) -> tuple[PromptPool, Tensor]:
    """The pool and its unit vectors."""
    kept = context.memo.get("pool")
    if not isinstance(kept, tuple) or kept[0] != name:
        pool = PromptPool.model_validate(context.arrays.get_json(name))
        kept = (name, pool, search.unit_vectors(pool.units, context))
        context.memo["pool"] = kept
    return kept[1], kept[2]


def opened_group(
    state: OptimizeState,
    classes: list[int],
    book: Candidate,
    pool: PromptPool,
    vectors: Tensor,
    context: OptimizeContext,
) -> search.ClassGroup:
    """The group's arena: the book around it stands still until the group is done.

    Generations of one group all start from the book as it was when the group was opened, which the book's
    other classes still are: only the group's own units have changed since.
    """
    name = (state.passes, state.group)
    kept = context.memo.get("group")
    if not isinstance(kept, tuple) or kept[0] != name:
        kept = (name, search.open_group(classes, book.parts, pool, vectors, context))
        context.memo["group"] = kept
    return kept[1]
