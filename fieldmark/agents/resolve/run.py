"""Runs the resolve graph with its checkpoint in the run folder, from the start or from where it stopped."""

from collections.abc import Sequence
from typing import Any

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.graph import RECURSION_LIMIT, build_graph, with_new_labels
from fieldmark.agents.resolve.rescoring import load_notebook
from fieldmark.agents.resolve.state import Batch, ResolveState
from fieldmark.agents.shared.checkpoints import earlier_state, open_checkpoint, state_of
from fieldmark.agents.shared.notes import Note, halted, settled
from fieldmark.records import QuestionSpec
from fieldmark.tools.runs.events import RoundSummary, ViewWorth

CHECKPOINT = "checkpoint.sqlite"
HELD_TYPES = (Batch, Note, QuestionSpec, ResolveState, RoundSummary, ViewWorth)
"""The only types made from a checkpoint."""


async def run_resolve(context: ResolveContext, *, thread: str = "resolve") -> ResolveState:
    """Run the resolve graph, or take it up where an earlier process left it.

    A run that was killed goes on from its last checkpoint: at most the questions that were in flight
    are asked again, and answered ones come from the checkpoint or the cache. A run that a limit or a
    dead endpoint stopped begins its last round again and asks the questions that were kept back: it
    ends as if it had never stopped. A finished run is returned as it is, unless there are open images that
    a vision-language model was not shown yet, or labels that it does not hold: then it is scored anew with
    them. So is a run that stopped short, where there is no language model to go on with.

    Args:
        context: Tools and data; the checkpoint lies in its run folder.
        thread: Name of the run inside the checkpoint, for run folders that hold several.

    Returns:
        The last state.
    """
    path = context.run.path / CHECKPOINT
    async with open_checkpoint(path, holds=HELD_TYPES, server=context.checkpoints) as kept:
        graph = build_graph(kept.saver)
        config = kept.config(thread, recursion_limit=RECURSION_LIMIT)
        earlier = await earlier_state(graph, config, path)
        # Not `earlier.next`: a kill between a node's last write and the next checkpoint leaves it empty.
        ahead = [task.name for task in earlier.tasks]
        start: ResolveState | None = None
        if not earlier.values:
            start = ResolveState()
        else:
            state = state_of(earlier.values, ResolveState, path)
            stopped_short = state.stop_reason in ("budget", "endpoint")
            goes_on = stopped_short and context.llm is not None
            if not ahead and not goes_on and state.history:
                if state.labels != context.labels_hash:
                    await graph.aupdate_state(config, with_new_labels(state, context), as_node="look")
                elif unseen_left(state, context):
                    await graph.aupdate_state(config, {"shows": True}, as_node="triage")
                else:
                    return state
            elif (described := described_so_far(state, ahead, context)) is not None:
                await kept.forget(thread)
                start = ResolveState(notebook=described)
            elif not ahead and stopped_short:
                again = last_round_again(state) | {"labels": context.labels_hash}
                await graph.aupdate_state(config, again, as_node="plan")
        # Each checkpoint before the next step: answers saved for a checkpoint that never came would be lost.
        values: dict[str, Any] = await graph.ainvoke(start, config, context=context, durability="sync")  # pyright: ignore
        return ResolveState.model_validate(values)


def described_so_far(state: ResolveState, ahead: Sequence[str], context: ResolveContext) -> str | None:
    """The notebook to begin again with where descriptions were kept back; None where none were.

    Either the run stopped after a first look that was cut short, or it raised before that look, when
    the endpoint described no class at all.
    """
    if state.round:
        return None
    if "encode" in ahead and halted(state.fresh):
        known = load_notebook(state.notebook, context)
        return context.arrays.put_json(known.with_notes(settled(state.fresh)).model_dump(mode="json"))
    return state.notebook if state.stop_reason in ("budget", "endpoint") and not ahead else None


def unseen_left(state: ResolveState, context: ResolveContext) -> bool:
    """Whether a finished run has open images for a vision-language model, which it was not shown so far."""
    if context.vlm is None:
        return False
    left_open = bool(state.history) and state.history[-1].open > 0
    return state.looks_kept_back > 0 or (left_open and not state.looks)


def last_round_again(state: ResolveState) -> dict[str, Any]:
    """What takes a state back to before the round that was cut short, its answers kept, the rest planned."""
    return {
        "plan": state.kept_back,
        "kept_back": (),
        "candidates": state.earlier,
        "history": state.history[:-1],
        "round": state.round - 1,
        "halted": None,
        "stop_reason": None,
    }
