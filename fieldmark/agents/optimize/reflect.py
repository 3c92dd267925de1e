"""Reflects between two passes: asks about confused classes; answers become units and suggestions."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice

import torch
from pydantic import Field
from torch import Tensor

from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.pool import PromptPool, Unit, described_unit
from fieldmark.agents.optimize.search import ClassGroup, class_matrix, unit_vectors
from fieldmark.agents.shared.ask import ask_all
from fieldmark.agents.shared.notes import Note
from fieldmark.prompts.reflect import PROMPT_ID, ConfusedGroup, Confusion, Described
from fieldmark.records import DescriptorEdit, Origin, QuestionSpec, Record
from fieldmark.tools.runs.events import ReflectionFinished
from fieldmark.tools.search.candidates import PromptCandidate
from fieldmark.tools.search.confusions import Confusions, confused_sets, count_confusions
from fieldmark.tools.search.generation import ScoredCandidate
from fieldmark.tools.search.reflect import REFLECT, Reflect, Suggested

REFLECTED = "reflected"
"""The kind of descriptor that units of an answer about confusions have."""
MOST_CLASSES = 4
"""The most classes that one question is about."""
LEAST_SHARE = 0.01
"""A confusion of which no image came is shown from this share on."""


class Suggestion(Record):
    """What an answer suggests for one class, as units of the pool."""

    class_index: int
    fresh: tuple[int, ...]
    criticised: tuple[int, ...]


class AcceptedEdit(Record):
    """An edit by reflection that was among the fittest of its generation."""

    generation: int
    added: tuple[int, ...]
    removed: tuple[int, ...]


class Reflections(Record):
    """What reflecting did so far; kept in the array store, never in a checkpoint."""

    asked: tuple[str, ...] = ()
    """Keys of the questions, in order."""
    failed: int = 0
    dropped: dict[str, int] = Field(default_factory=dict)
    """Statements that could not be used, by reason."""
    ended: str = ""
    """Why nothing more is asked; empty while it is."""
    descriptors: int = 0
    """Descriptors that were new to the pool."""
    units: int = 0
    """Units that they were written out as."""
    suggestions: tuple[Suggestion, ...] = ()
    """What this pass tries."""
    edits_scored: int = 0
    accepted: tuple[AcceptedEdit, ...] = ()

    @property
    def questions(self) -> int:
        """Questions that were put."""
        return len(self.asked)


def reflects(context: OptimizeContext) -> bool:
    """Whether the options ask for it, and there is somebody to ask."""
    return REFLECT in context.options.operators and context.llm is not None


def load_reflections(name: str, context: OptimizeContext) -> Reflections:
    """What the state names by its hash."""
    return Reflections.model_validate(context.arrays.get_json(name)) if name else Reflections()


def store_reflections(reflections: Reflections, context: OptimizeContext) -> str:
    """Store it; the state holds its hash."""
    return context.arrays.put_json(reflections.model_dump(mode="json"))


async def reflect_on(
    book: PromptCandidate,
    pool: PromptPool,
    vectors: Tensor,
    *,
    templates: Sequence[str],
    earlier: Reflections,
    context: OptimizeContext,
) -> tuple[PromptPool, Tensor, Reflections]:
    """Ask about the most confused classes of a book, and add what is answered to the pool.

    A question that fails is counted. A limit, or an endpoint that is gone, ends reflecting, not the search.

    Args:
        book: The fittest book.
        pool: The units so far; places of units stay.
        vectors: Their vectors `[U, D]`.
        templates: What new units are written in.
        earlier: What came of the passes before.
        context: The run.

    Returns:
        The pool with the new units, their vectors, and what came of all passes.
    """
    if earlier.ended:
        return pool, vectors, earlier.model_copy(update={"suggestions": ()})
    specs = _questions(book, pool, vectors, earlier, context)
    notes = await ask_all(specs, context)
    ends = [note.reason for note in notes if note.failure in ("limit", "busy", "endpoint")]
    put = [note for note in notes if note.failure not in ("limit", "busy", "endpoint")]
    dropped = Counter(earlier.dropped)
    for note in put:
        dropped.update(note.dropped)
    units, suggestions = _written(put, pool, templates, context)
    # Made anew rather than copied: a copy would keep the slots and keys of the smaller pool.
    grown = PromptPool(
        classes=pool.classes,
        units=(*pool.units, *units),
        start=pool.start,
        files=pool.files,
        alone=pool.alone,
    )
    new = unit_vectors(units, context)
    reflections = Reflections(
        asked=(*earlier.asked, *(note.spec.material for note in put)),
        failed=earlier.failed + sum(note.failure is not None for note in put),
        dropped=dict(sorted(dropped.items())),
        ended=ends[0] if ends else "",
        descriptors=earlier.descriptors + len({(unit.class_index, unit.descriptor) for unit in units}),
        units=earlier.units + len(units),
        suggestions=suggestions,
        edits_scored=earlier.edits_scored,
        accepted=earlier.accepted,
    )
    context.progress(
        ReflectionFinished(
            questions=len(put), failed=reflections.failed, units=len(units), ended=reflections.ended
        )
    )
    return grown, torch.cat([vectors, new]), reflections


def reflect_operator(group: ClassGroup, suggestions: Sequence[Suggestion]) -> tuple[Reflect, ...]:
    """The operator that tries what was suggested for the classes of a group; none where nothing was."""
    numbers = {unit: number for number, unit in enumerate(group.names)}
    suggested = tuple(
        Suggested(
            fresh=tuple(numbers[unit] for unit in each.fresh),
            criticised=tuple(numbers[unit] for unit in each.criticised),
        )
        for each in suggestions
        if each.fresh and each.fresh[0] in numbers
    )
    return (Reflect(suggested),) if suggested else ()


def with_outcome(
    reflections: Reflections,
    scored: Sequence[ScoredCandidate],
    survivors: Sequence[PromptCandidate],
    *,
    group: ClassGroup,
    generation: int,
) -> Reflections:
    """Count the edits by reflection of a generation, and keep those that survived it."""
    keys = {survivor.key for survivor in survivors}
    edits = [(row.key, row.edit) for row in scored if row.edit is not None and row.edit.by == REFLECT]
    accepted = tuple(
        AcceptedEdit(
            generation=generation,
            added=tuple(group.names[part] for part in edit.added),
            removed=tuple(group.names[part] for part in edit.removed),
        )
        for key, edit in edits
        if key in keys
    )
    return reflections.model_copy(
        update={
            "edits_scored": reflections.edits_scored + len(edits),
            "accepted": reflections.accepted + accepted,
        }
    )


def _questions(
    book: PromptCandidate, pool: PromptPool, vectors: Tensor, earlier: Reflections, context: OptimizeContext
) -> list[QuestionSpec]:
    """The questions of a pass: the most confused groups first, none that was asked before."""
    logits = context.encoder.logit_scale * (context.vectors @ class_matrix(book.parts, pool, vectors).T)
    confusions = count_confusions(logits, context.labels)
    said: list[dict[str, None]] = [{} for _ in pool.classes]
    for part in book.parts:
        unit = pool.units[part]
        if unit.descriptor:
            said[unit.class_index].setdefault(unit.descriptor)
    specs = (
        QuestionSpec(
            kind="reflect",
            classes=tuple(pool.classes[c] for c in members),
            material=context.arrays.put_json(
                material_of(members, pool, said, confusions).model_dump(mode="json")
            ),
        )
        for members in confused_sets(confusions, size=MOST_CLASSES)
    )
    fresh = (spec for spec in specs if spec.material not in earlier.asked)
    return list(islice(fresh, context.options.reflections))


def material_of(
    members: Sequence[int],
    pool: PromptPool,
    said: Sequence[Sequence[str] | dict[str, None]],
    confusions: Confusions,
) -> ConfusedGroup:
    """The data of the question about a group: names, present descriptors, confusions between its classes."""
    pairs = [
        Confusion(
            class_name=pool.classes[c],
            taken_for=pool.classes[r],
            wrong=int(confusions.wrong[c, r]),
            of=int(confusions.images[c]),
            share=round(float(confusions.share[c, r]), 2),
        )
        for c in members
        for r in members
        if int(confusions.wrong[c, r]) or float(confusions.share[c, r]) >= LEAST_SHARE
    ]
    if not pairs:  # the nearest there is
        c, r = members[:2]
        share = round(float(confusions.share[c, r]), 2)
        of = int(confusions.images[c])
        pairs = [
            Confusion(class_name=pool.classes[c], taken_for=pool.classes[r], wrong=0, of=of, share=share)
        ]
    return ConfusedGroup(
        classes=tuple(Described(name=pool.classes[c], descriptors=tuple(said[c])) for c in members),
        confusions=tuple(sorted(pairs, key=lambda pair: (-pair.wrong, -pair.share))),
        seen="mistakes" if any(pair.wrong for pair in pairs) else "close calls",
    )


def _written(
    notes: Sequence[Note], pool: PromptPool, templates: Sequence[str], context: OptimizeContext
) -> tuple[list[Unit], tuple[Suggestion, ...]]:
    """Write edits out as units that the pool does not have yet, and as suggestions of all that they name."""
    index = {name: c for c, name in enumerate(pool.classes)}
    place = {(unit.class_index, unit.texts): number for number, unit in enumerate(pool.units)}
    units: list[Unit] = []
    suggestions: list[Suggestion] = []
    origin = Origin(kind="differential", question=PROMPT_ID, model=getattr(context.llm, "model", None))
    for edit in (edit for note in notes for edit in note.edits):
        c = index[edit.class_name]
        words = [
            (pool.units[u].synonym, pool.units[u].word)
            for u in pool.slots[c]
            if _is_bare(pool.units[u]) and pool.units[u].synonym not in pool.alone
        ]
        fresh: list[int] = []
        for descriptor in edit.add:
            for word in words:
                unit = described_unit(c, word, (REFLECTED, descriptor), templates=templates, origin=origin)
                number = place.setdefault((c, unit.texts), len(pool.units) + len(units))
                if number == len(pool.units) + len(units):
                    units.append(unit)
                fresh.append(number)
        criticised = _saying(edit, pool, c)
        suggestions.append(Suggestion(class_index=c, fresh=tuple(fresh), criticised=criticised))
    return units, tuple(suggestions)


def _is_bare(unit: Unit) -> bool:
    return bool(unit.word) and not unit.descriptor


def _saying(edit: DescriptorEdit, pool: PromptPool, class_index: int) -> tuple[int, ...]:
    """The units that say what an edit drops."""
    return tuple(unit for unit in pool.slots[class_index] if pool.units[unit].descriptor in edit.drop)
