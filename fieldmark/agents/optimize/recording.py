"""What every node that scored candidates leaves: lines in the history and the curve, counts, progress."""

import json
from typing import Any

from pydantic import JsonValue

from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.history import (
    CURVE,
    HISTORY,
    Journal,
    history_lines,
    keep_seen,
    seen_keys,
    whole_id,
)
from fieldmark.agents.optimize.state import OptimizeState
from fieldmark.tools.runs.events import GenerationScored
from fieldmark.tools.search.candidates import Candidate
from fieldmark.tools.search.generation import ScoredCandidate


def recorded(
    state: OptimizeState,
    scored: tuple[ScoredCandidate, ...],
    context: OptimizeContext,
    *,
    stage: str,
    best: Candidate,
    seen: set[int] | None = None,
    names: tuple[int, ...] | None = None,
    around: int = 0,
    before: Candidate | None = None,
) -> dict[str, Any]:
    """Write what a generation scored into the history, and count it.

    Args:
        state: The state before.
        scored: What was scored.
        context: The run.
        stage: "templates", "sampling" or "classes".
        best: The fittest candidate now; of the templates, or a whole book.
        before: The fittest book before; None where there was none.
        seen: Keys of everything ever scored, if the caller has them.
        names: Number, in the pool, of each part of the menu.
        around: Key of the parts that stood still.
    """
    number = state.generations + 1
    history = Journal(context.run.path / HISTORY, state.history_size, context.later)
    size = history.append(history_lines(scored, stage=stage, generation=number, names=names, around=around))
    if seen is None:
        seen = seen_keys(context, state.history_size) | {row.key for row in scored}
    keep_seen(context, size, seen)
    curve = Journal(context.run.path / CURVE, state.curve_size, context.later)
    row = {
        "generation": number,
        "stage": stage,
        "best": whole_id(best.key),
        "fitness": best.fitness,
        "scored": len(scored),
        **change(before, best if stage != "templates" else None),
    }
    curve_size = curve.append([json.dumps(row, ensure_ascii=False)])
    context.progress(
        GenerationScored(
            number=number,
            stage=stage,
            fitness=best.fitness,
            scored=len(scored),
            candidates=state.candidates + len(scored),
            texts=context.encoder.usage.texts_encoded,
        )
    )
    return {
        "generations": number,
        "candidates": state.candidates + len(scored),
        "history_size": size,
        "curve_size": curve_size,
    }


def change(before: Candidate | None, best: Candidate | None) -> dict[str, JsonValue]:
    """What the fittest book has more and less than the one before it."""
    old, new = (set(each.parts) if each else set[int]() for each in (before, best))
    return {"added": list[JsonValue](sorted(new - old)), "removed": list[JsonValue](sorted(old - new))}
