"""What a prompt search changed in the prompts of each class, unit by unit, and where each text came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fieldmark.agents.optimize.finish import ClassScore
from fieldmark.records import Origin, Prompt, PromptBook

MOST_UNITS = 6
"""Added, and removed, units that are listed of a class."""
KINDS = {
    "name": "a name, no descriptor",
    "template": "a template",
    "descriptor": "question about the class",
    "differential": "question about look-alikes",
    "field_guide": "a field guide",
    "book": "the book that was given",
}
"""Where a prompt came from, in words."""
QUESTIONS = {"reflect": "question about confusions"}
"""The same, by the question that brought it up, where its kind does not say it."""


@dataclass(frozen=True)
class UnitText:
    """A unit of a book: a text, in one or several wordings.

    Attributes:
        text: Its first wording.
        wordings: How many wordings it has.
        origin: Where it came from, in words.
        attribute: The attribute it speaks of, if that is known.
    """

    text: str
    wordings: int
    origin: str
    attribute: str | None


@dataclass(frozen=True)
class ClassChanges:
    """What changed for one class.

    Attributes:
        name: The class.
        score: Its test images; None where there are none.
        added: The first units that only the best book has.
        removed: The first units that only the start has.
        more_added: How many are not listed.
        more_removed: The same of the removed ones.
        kept: Units that both have.
    """

    name: str
    score: ClassScore | None
    added: tuple[UnitText, ...]
    removed: tuple[UnitText, ...]
    more_added: int
    more_removed: int
    kept: int

    @property
    def difference(self) -> float | None:
        """Share of the class's test images that are right in the end, minus that at the start."""
        return (self.score.best - self.score.start) / self.score.images if self.score else None


Unit = tuple[Prompt, ...]


def prompt_changes(
    start: PromptBook, best: PromptBook, scores: Mapping[str, ClassScore]
) -> list[ClassChanges]:
    """The classes whose prompts changed, the largest gains on test images first."""
    changes: list[ClassChanges] = []
    for name, old, new in zip(best.classes, start.by_class(), best.by_class(), strict=True):
        before, after = ({_texts(unit): unit for unit in units_of(prompts)} for prompts in (old, new))
        added = [unit for texts, unit in after.items() if texts not in before]
        removed = [unit for texts, unit in before.items() if texts not in after]
        if not (added or removed):
            continue
        changes.append(
            ClassChanges(
                name=name,
                score=scores.get(name),
                added=tuple(map(said, added[:MOST_UNITS])),
                removed=tuple(map(said, removed[:MOST_UNITS])),
                more_added=max(0, len(added) - MOST_UNITS),
                more_removed=max(0, len(removed) - MOST_UNITS),
                kept=len(after) - len(added),
            )
        )
    return sorted(changes, key=lambda change: -(change.difference or 0.0))


def units_of(prompts: Sequence[Prompt]) -> list[Unit]:
    """The units of a class: texts that share a weight of 1, as a search writes them, stand together."""
    units: list[Unit] = []
    at = 0
    while at < len(prompts):
        first = prompts[at]
        size = round(1 / first.weight) if first.weight > 0 else 1
        unit = tuple(prompts[at : at + size])
        if any((p.weight, p.origin) != (first.weight, first.origin) for p in unit):
            unit = (first,)
        units.append(unit)
        at += len(unit)
    return units


def said(unit: Unit) -> UnitText:
    """A unit as the page shows it."""
    origin = unit[0].origin
    return UnitText(
        text=unit[0].text, wordings=len(unit), origin=origin_words(origin), attribute=origin.attribute
    )


def origin_words(origin: Origin) -> str:
    """Where a prompt came from, in words."""
    question = (origin.question or "").split(".")[0]
    return QUESTIONS.get(question) or KINDS.get(origin.kind, origin.kind)


def _texts(unit: Unit) -> tuple[str, ...]:
    return tuple(prompt.text for prompt in unit)
