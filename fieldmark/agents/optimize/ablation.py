"""What reflecting was worth: the best book with and without the units it brought, on the test images.

Nothing is chosen by what is measured here.
"""

from collections.abc import Sequence

from pydantic import Field
from torch import Tensor

from fieldmark.agents.optimize.pool import PromptPool, Unit
from fieldmark.agents.optimize.reflect import REFLECTED, Reflections
from fieldmark.agents.optimize.search import class_matrix
from fieldmark.records import Record


class ReflectedEdit(Record):
    """An accepted edit, with what the best book is worth without it."""

    class_name: str
    generation: int
    added: tuple[str, ...]
    """What it added: class word and descriptor."""
    removed: tuple[str, ...]
    """What it took out."""
    in_best: bool
    """Whether the best book still has what it added."""
    test_without: float | None = None
    """Test top-1 of the best book without the units that the edit added."""
    test_without_class: float | None = None
    """Test top-1 of the best book without any unit that reflecting brought to the class."""


class Reflected(Record):
    """What reflecting did, and what it was worth on images that nothing was chosen by."""

    passes: int
    questions: int
    failed: int
    dropped: dict[str, int] = Field(default_factory=dict)
    """Statements of answers that could not be used, by reason."""
    ended: str = ""
    """Why reflecting ended before the search; empty where it did not."""
    descriptors: int
    """Descriptors that were new to the pool."""
    units: int
    """Units that they were written out as."""
    edits_scored: int
    accepted: tuple[ReflectedEdit, ...] = ()
    """The edits that were among the fittest of their generation; each set of added units once."""
    units_in_best: int = 0
    """Units of the best book that reflecting brought."""
    test_best: float | None = None
    """Test top-1 of the best book."""
    test_without: float | None = None
    """Test top-1 of the best book without any unit that reflecting brought."""
    improving: int | None = None
    """Accepted edits without which the best book does worse on the test images; None without test images."""
    harming: int | None = None
    """Accepted edits without which it does better."""


def ablate(
    reflections: Reflections,
    best: Sequence[int],
    pool: PromptPool,
    vectors: Tensor,
    *,
    passes: int,
    images: Tensor | None,
    labels: Tensor | None,
) -> Reflected:
    """Take out of the best book what reflecting brought, edit by edit, class by class, and in all.

    A class that is left with nothing is described by its bare words.

    Args:
        reflections: What reflecting did.
        best: Units of the best book.
        pool: All units.
        vectors: Their vectors `[U, D]`.
        passes: Passes that were reflected on before.
        images: Unit vectors of the test images `[N, D]`; None where there are none.
        labels: Their classes `[N]`.
    """
    held = set(best)
    brought = {unit for unit in held if pool.units[unit].kind == REFLECTED}
    by_class: dict[int, set[int]] = {}
    for unit in brought:
        by_class.setdefault(pool.units[unit].class_index, set()).add(unit)

    def without(units: set[int]) -> float | None:
        if images is None or labels is None or not len(labels):
            return None
        left = [unit for unit in best if unit not in units]
        described = {pool.units[unit].class_index for unit in left}
        for c in {pool.units[unit].class_index for unit in units} - described:
            left += [unit for unit in pool.slots[c] if pool.units[unit].kind == "bare"]
        predicted = (images @ class_matrix(sorted(left), pool, vectors).T).argmax(1)
        return round(float((predicted == labels).double().mean()), 4)

    top1 = without(set())
    without_class = {c: without(units) for c, units in by_class.items()}
    rows: dict[tuple[int, ...], ReflectedEdit] = {}
    for edit in reflections.accepted:
        new = {unit for unit in edit.added if pool.units[unit].kind == REFLECTED}
        if not new or edit.added in rows:
            continue
        c = pool.units[edit.added[0]].class_index
        kept = new <= held
        rows[edit.added] = ReflectedEdit(
            class_name=pool.classes[c],
            generation=edit.generation,
            added=_names(edit.added, pool),
            removed=_names(edit.removed, pool),
            in_best=kept,
            test_without=without(new) if kept else None,
            test_without_class=without_class.get(c) if kept else None,
        )
    accepted = tuple(rows.values())
    gains = [top1 - row.test_without for row in accepted if top1 is not None and row.test_without is not None]
    return Reflected(
        passes=passes,
        questions=reflections.questions,
        failed=reflections.failed,
        dropped=reflections.dropped,
        ended=reflections.ended,
        descriptors=reflections.descriptors,
        units=reflections.units,
        edits_scored=reflections.edits_scored,
        accepted=accepted,
        units_in_best=len(brought),
        test_best=top1,
        test_without=without(brought),
        improving=None if top1 is None else sum(gain > 0 for gain in gains),
        harming=None if top1 is None else sum(gain < 0 for gain in gains),
    )


def _names(units: Sequence[int], pool: PromptPool) -> tuple[str, ...]:
    return tuple(_in_words(pool.units[number]) for number in units)


def _in_words(unit: Unit) -> str:
    """A unit in short: its class word and its descriptor; a prompt that was taken as it is says itself."""
    if not unit.word:
        return unit.texts[0]
    return f"{unit.word}, which has {unit.descriptor}" if unit.descriptor else unit.word
