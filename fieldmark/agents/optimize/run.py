"""Runs the prompt search with its checkpoint in the run folder, from the start or from where it stopped."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.graph import build_graph
from fieldmark.agents.optimize.state import OptimizeState
from fieldmark.agents.shared.checkpoints import earlier_state, open_checkpoint, state_of
from fieldmark.tools.search.folds import check_folds
from fieldmark.tools.search.sampling import group_size

CHECKPOINT = "checkpoint.sqlite"
THREAD = "optimize"


async def run_optimize(context: OptimizeContext) -> OptimizeState:
    """Run the prompt search, or take it up where an earlier process left it.

    A killed run goes on from its last checkpoint, one generation back at most; while it was still asking it
    begins anew, and finds its answers in the cache. A finished run is returned as it is.

    Args:
        context: Tools and data; the checkpoint lies in its run folder.

    Raises:
        InputError: Some class has fewer usable training images than there are to be folds.
    """
    path = context.run.path / CHECKPOINT
    opened = open_checkpoint(
        path, holds=(OptimizeState,), server=context.checkpoints, before=context.later.settled
    )
    async with opened as kept, _ending(context):
        graph = build_graph(kept.saver)
        config = kept.config(THREAD, recursion_limit=most_steps(context))
        earlier = await earlier_state(graph, config, path)
        start: OptimizeState | None = None
        if not earlier.values:
            start = OptimizeState()
        else:
            state = state_of(earlier.values, OptimizeState, path)
            if state.stop_reason:
                return state
            if not (state.generations or state.pool):
                await kept.forget(THREAD)
                start = OptimizeState()
        if context.options.folds:
            check_folds([str(image.label) for image in context.usable], context.options.folds)
        values: dict[str, Any] = await graph.ainvoke(start, config, context=context)  # pyright: ignore
        return OptimizeState.model_validate(values)


@asynccontextmanager
async def _ending(context: OptimizeContext) -> AsyncIterator[None]:
    """Write everything that was submitted, whatever ends the run."""
    try:
        yield
    finally:
        context.later.close()


def most_steps(context: OptimizeContext) -> int:
    """A bound on the steps of the graph; its loops count for themselves."""
    options = context.options
    groups = 2 * (-(-len(context.classes) // group_size(len(context.classes)))) + 2
    once = 50 + options.folds + options.template_generations
    return once + options.passes * (groups * max(1, options.generations) + 2)
