"""Changes a concept: each change gives a new record and overwrites nothing."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from fieldmark.errors import InputError
from fieldmark.records import Clause, Concept, Decision, Definition, DefinitionEdit, Label, Record, Version

MISREAD = "the model misread this image"
"""The reason noted where the owner says that the annotator, not the definition, is wrong."""


def now() -> str:
    """The current time, ISO 8601, UTC, to the microsecond: two answers never have the same."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


class DefinitionChange(Record):
    """What one definition has that another has not."""

    added: tuple[Clause, ...] = ()
    dropped: tuple[Clause, ...] = ()
    changed: tuple[tuple[Clause, Clause], ...] = ()
    """Clauses of the same id before and after: agreed upon, or with more examples."""


def with_labels(concept: Concept, labels: Sequence[Label]) -> Concept:
    """The concept with more labels; the same label given again (a replayed answer) is not doubled."""
    known = set(concept.labels)
    fresh = tuple(label for label in dict.fromkeys(labels) if label not in known)
    return concept.model_copy(update={"labels": (*concept.labels, *fresh)})


def with_decision(concept: Concept, decision: Decision) -> Concept:
    """The concept with one more decision; the same one given again is not doubled."""
    if decision in concept.decisions:
        return concept
    return concept.model_copy(update={"decisions": (*concept.decisions, decision)})


def with_version(
    concept: Concept, definition: Definition, *, why: str, at: str, scores: Mapping[str, float] | None = None
) -> Concept:
    """The concept with a new definition in force; unchanged where that is the one in force already."""
    if concept.current and definition == concept.definition:
        return concept
    number = len(concept.versions) + 1
    version = Version(number=number, definition=definition, why=why, at=at, scores=dict(scores or {}))
    return concept.model_copy(update={"versions": (*concept.versions, version), "current": number})


def rolled_back(concept: Concept, number: int, *, at: str) -> Concept:
    """The concept with an earlier version in force; the later ones stay in its history.

    Raises:
        InputError: There is no such version.
    """
    if not 1 <= number <= len(concept.versions):
        raise InputError(
            f"Concept {concept.name!r} has no version {number}.",
            hint=f"It has versions 1 to {len(concept.versions)}." if concept.versions else "It has none yet.",
        )
    decision = Decision(kind="rollback", question="Which version counts?", answer=str(number), at=at)
    return with_decision(concept.model_copy(update={"current": number}), decision)


def edited(definition: Definition, edit: DefinitionEdit) -> Definition:
    """The definition after an edit.

    Raises:
        InputError: The edit names a clause that is not there, or adds one that is.
    """
    clauses = {clause.id: clause for clause in definition.clauses}
    if edit.kind in ("drop", "agree") and edit.clause.id not in clauses:
        raise _unknown_clause(edit.clause.id, clauses)
    if edit.kind in ("add", "reword") and edit.clause.id in clauses:
        raise InputError(f"There is a clause {edit.clause.id!r} already.", hint="Give it a new id.")
    if edit.kind == "reword":
        old = clauses.get(edit.replaces or "")
        if old is None:
            raise _unknown_clause(edit.replaces or "", clauses)
        clauses[old.id] = old.model_copy(update={"state": "dropped"})
    state = "dropped" if edit.kind == "drop" else "agreed" if edit.kind == "agree" else edit.clause.state
    clauses[edit.clause.id] = edit.clause.model_copy(update={"state": state})
    return Definition(clauses=tuple(clauses.values()))


def difference(before: Definition, after: Definition) -> DefinitionChange:
    """What changed among the active clauses; one that was dropped and said anew stayed as it was."""
    said = {(clause.role, clause.text): clause for clause in before.active}
    pairs = [(said.get((clause.role, clause.text)), clause) for clause in after.active]
    stayed = {old.id for old, _ in pairs if old is not None}
    gone = {clause.id: clause for clause in before.active if clause.id not in stayed}
    pairs = [(gone.pop(clause.id, None) if old is None else old, clause) for old, clause in pairs]
    return DefinitionChange(
        added=tuple(clause for old, clause in pairs if old is None),
        dropped=tuple(gone.values()),
        changed=tuple(
            (old, clause)
            for old, clause in pairs
            if old is not None and old != clause.model_copy(update={"id": old.id})
        ),
    )


def clause_ids(concept: Concept, count: int) -> list[str]:
    """Ids that no clause of any version, and no clause that was ever offered, has."""
    clauses = [clause for version in concept.versions for clause in version.definition.clauses]
    clauses += [decision.edit.clause for decision in concept.decisions if decision.edit]
    numbers = [int(c.id[1:]) for c in clauses if c.id[:1] == "c" and c.id[1:].isdecimal()]
    first = max(numbers, default=0) + 1
    return [f"c{number}" for number in range(first, first + count)]


def latest_labels(labels: Sequence[Label]) -> dict[str, Label]:
    """The label that counts for each image: the last one given."""
    return {label.image: label for label in labels}


def dev_labels(concept: Concept) -> dict[str, Label]:
    """The label that counts for each image outside of the blind test."""
    return latest_labels([label for label in concept.labels if label.split == "dev"])


def blind_labels(concept: Concept) -> dict[str, Label]:
    """The label that counts for each image of the blind test."""
    return latest_labels([label for label in concept.labels if label.split == "blind"])


def settled_answers(concept: Concept) -> dict[str, str]:
    """Question → the answer that counts, the last one, in the order asked; some were put right by hand."""
    return {d.question: d.answer for d in concept.decisions if d.kind in ("scope", "answer")}


def misread_images(concept: Concept) -> dict[str, tuple[Label, ...]]:
    """Clause id → labels of the images in which the annotator misread it, by the owner's word.

    A label that the owner gives later without a word takes nothing back, unless it says the opposite.
    """
    latest = dev_labels(concept)
    found: dict[str, dict[str, Label]] = {}
    for label in concept.labels:
        if label.split == "dev" and latest[label.image].value == label.value:
            for clause in label.misread:
                found.setdefault(clause, {})[label.image] = label
    return {clause: tuple(labels.values()) for clause, labels in found.items()}


def repeats(concept: Concept) -> list[tuple[Label, Label]]:
    """Pairs of labels of one image: the one before, and the one given when it came back unannounced."""
    pairs: list[tuple[Label, Label]] = []
    last: dict[str, Label] = {}
    for label in concept.labels:
        if label.repeat and label.image in last:
            pairs.append((last[label.image], label))
        last[label.image] = label
    return pairs


def _unknown_clause(name: str, known: Collection[str]) -> InputError:
    return InputError(f"There is no clause {name!r}.", hint=f"There are: {', '.join(known) or 'none'}.")
