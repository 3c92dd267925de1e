"""Keeps how far a conversation is beside the concept, so that it can be read without asking models."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fieldmark.agents.define.options import DefineOptions
from fieldmark.reading import read_bytes
from fieldmark.records import Concept, Label
from fieldmark.records.conversation import ConversationProgress

if TYPE_CHECKING:  # fronts read progress, and load no graph
    from fieldmark.agents.define.scores import Standing
    from fieldmark.agents.define.state import DefineState

PROGRESS = "progress.json"
SCORES = ("f1", "kappa", "kappa_error", "kappa_labels", "self_kappa", "self_kappa_error", "repeats", "agrees")
"""Fields of the progress that hang on verdicts."""


def progress_of(
    state: "DefineState", standing: "Standing", concept: Concept, options: DefineOptions
) -> ConversationProgress:
    """What is worth knowing of a conversation after a board."""
    return ConversationProgress(
        boards=state.boards,
        most_boards=options.boards,
        quiet=state.quiet,
        quiet_needed=options.quiet_boards,
        labels=labels_given(concept) - state.labels_before,
        most_labels=options.labels,
        spent=state.spent,
        most_calls=options.calls,
        failures=state.failures,
        f1=standing.f1,
        kappa=_known(standing.owner.kappa),
        kappa_error=_known(standing.owner.error),
        kappa_labels=standing.owner.pairs,
        self_kappa=_known(standing.itself.kappa),
        self_kappa_error=_known(standing.itself.error),
        repeats=standing.itself.pairs,
        agrees=standing.agrees,
        agreement_labels=options.agreement_labels,
        stop_reason=state.stop_reason,
    )


def progress_so_far(
    state: "DefineState", folder: Path, concept: Concept, options: DefineOptions
) -> ConversationProgress:
    """The same before a board: counted now, with the scores of the last board, so that nothing is judged."""
    from fieldmark.agents.define.scores import NOTHING, Standing

    nothing = Standing(f1=None, owner=NOTHING, itself=NOTHING)
    counted = progress_of(state, nothing, concept, options)
    earlier = read_progress(folder)
    if earlier is None:
        return counted
    known = {name: getattr(earlier, name) for name in SCORES}
    return counted.model_copy(update=known)


def labels_given(concept: Concept) -> int:
    """Labels outside of the blind test, repeats included; those put right at a reveal do not count again."""
    return sum(counts(label) for label in concept.labels)


def counts(label: Label) -> bool:
    """Whether a label counts towards the most there may be."""
    return label.split == "dev" and (label.repeat or not label.primed)


def read_progress(folder: Path) -> ConversationProgress | None:
    """Read it back; None where there is none yet, or none that this version can read."""
    try:
        return ConversationProgress.model_validate_json(read_bytes(folder / PROGRESS))
    except (OSError, ValidationError):
        return None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
