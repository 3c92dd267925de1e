"""Changes a concept by hand: clauses and answers, with all that was there before kept behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.agents.define.binding import BY_HAND, bound, plain
from fieldmark.agents.define.record import MOST_CHARACTERS
from fieldmark.app.concepts.answers_file import image_named
from fieldmark.app.concepts.named import open_folder
from fieldmark.errors import InputError, RunError
from fieldmark.records import (
    Clause,
    ClauseRole,
    Concept,
    Decision,
    Definition,
    DefinitionEdit,
    Label,
    LabelValue,
    Record,
)
from fieldmark.tools.concepts.built import MODELS, read_built
from fieldmark.tools.concepts.changes import (
    clause_ids,
    edited,
    latest_labels,
    now,
    rolled_back,
    settled_answers,
    with_decision,
    with_labels,
    with_version,
)
from fieldmark.tools.concepts.folder import ConceptFolder

LABELS: tuple[LabelValue, ...] = ("in", "out", "unsure")
ROLES: tuple[ClauseRole, ...] = ("necessary", "positive", "negative")


@dataclass(frozen=True, kw_only=True)
class HandEdits:
    """Changes of one concept that are made together.

    Attributes:
        add: New clauses, each as "ROLE: TEXT".
        reword: Clause id → its new text, or "ROLE: TEXT" where it plays another role from now on.
        drop: Ids of clauses that go.
        answers: Number of a question, from 1 in the order asked → the answer; an empty one takes it back.
        labels: An image, by the end of its path or the beginning of its content hash → another label.
        why: A few words for the history.
        version: The version that they were written for; refused where another is in force by now. Any where
            not given.
    """

    add: Sequence[str] = ()
    reword: Mapping[str, str] = field(default_factory=dict[str, str])
    drop: Sequence[str] = ()
    answers: Mapping[int, str] = field(default_factory=dict[int, str])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    why: str = ""
    version: int | None = None


class HandEdited(Record):
    """What came of changes by hand."""

    before: int
    """The version that was in force."""
    version: int
    """The version in force now; the same where only answers changed."""
    definition: Definition
    answers: tuple[tuple[str, str], ...]
    """Each question with the answer that counts."""
    stale: tuple[str, ...]
    """What does not know of the change, in sentences."""


def answers_of(name: str, *, home: Path | None = None) -> tuple[tuple[str, str], ...]:
    """The questions asked about a concept, with the answers that count, in the order of their numbers."""
    return tuple(settled_answers(open_folder(name, home=home).load()).items())


def edit_concept(name: str, changes: HandEdits, *, home: Path | None = None) -> HandEdited:
    """Change clauses, answers and labels by hand, all of it or nothing; clauses make one new version.

    Raises:
        InputError: There is no such concept, clause, question or label, or the change leaves no clause, or
            says a clause twice, or changes nothing.
        RunError: Another process works on the concept, or another version is in force.
    """
    folder = open_folder(name, home=home)
    with folder.writing():
        concept = folder.load()
        if changes.version not in (None, concept.current):
            raise RunError(
                f"Version {concept.current} is in force by now, and this was written for {changes.version}.",
                hint="Look at the definition as it is now; nothing was changed.",
            )
        after = _with_answers(concept, changes.answers)
        after = _with_clauses(after, changes)
        after = _with_labels(after, changes, folder)
        if after == concept:
            raise InputError("Nothing would change.", hint="Give a clause or an answer that is another.")
        folder.save(after)
    return HandEdited(
        before=concept.current,
        version=after.current,
        definition=after.definition,
        answers=tuple(settled_answers(after).items()),
        stale=_stale(folder, concept, after),
    )


def put_in_force(folder: ConceptFolder, number: int) -> Definition:
    """Put an earlier version in force; nothing is removed.

    Returns:
        The definition now in force.

    Raises:
        InputError: There is no such version.
        RunError: Another process works on the concept.
    """
    with folder.writing():
        concept = rolled_back(folder.load(), number, at=now())
        folder.save(concept)
    return concept.definition


def _with_answers(concept: Concept, answers: Mapping[int, str]) -> Concept:
    asked = settled_answers(concept)
    for number, answer in answers.items():
        if not 1 <= number <= len(asked):
            raise InputError(
                f"There is no question {number}.",
                hint=f"There are {len(asked)}: see `fieldmark concept edit` without a change.",
            )
        question = list(asked)[number - 1]
        said = " ".join(answer.split())
        if said != asked[question]:
            decision = Decision(kind="answer", question=question, answer=said, at=now())
            concept = with_decision(concept, decision)
    return concept


def _with_labels(concept: Concept, changes: HandEdits, folder: ConceptFolder) -> Concept:
    if not changes.labels:
        return concept
    images = {image.content_hash: image for image in folder.load_pool()}
    given = latest_labels(concept.labels)
    fresh: list[Label] = []
    for named, said in changes.labels.items():
        value: LabelValue | None = next((each for each in LABELS if each == said.strip().casefold()), None)
        if value is None:
            raise InputError(f"A label cannot be {said!r}.", hint=f"It is one of {', '.join(LABELS)}.")
        image = named if named in given else image_named(named, images)
        if image is None or image not in given:
            raise InputError(
                f"{named!r} has no label that could be changed.",
                hint="Give the end of the path of an image that you labelled, or its content hash.",
            )
        before = given[image]
        reason = " ".join(changes.why.split())
        if (value, reason or before.reason) == (before.value, before.reason):
            continue
        # Verdicts may have been seen by now, as of any label that is changed afterwards.
        fresh.append(
            Label(
                image=image,
                value=value,
                split=before.split,
                reason=reason,
                primed=before.split == "dev",
                at=now(),
            )
        )
    return with_labels(concept, fresh)


def _with_clauses(concept: Concept, changes: HandEdits) -> Concept:
    edits = _edits(concept, changes)
    if not edits:
        return concept
    definition = concept.definition
    for edit in edits:
        definition = edited(definition, edit)
    _check(definition)
    at, why = now(), " ".join(changes.why.split())
    summary = "; ".join(f"{edit.kind} {edit.clause.role}: {edit.clause.text}" for edit in edits)
    concept = with_decision(concept, Decision(kind="hand", question=why, answer=summary, at=at))
    return with_version(concept, definition, why=f"{BY_HAND}: {why}" if why else BY_HAND, at=at)


def _edits(concept: Concept, changes: HandEdits) -> list[DefinitionEdit]:
    active = {clause.id: clause for clause in concept.definition.active}
    changed = [*changes.drop, *changes.reword]
    for name in changed:
        if name not in active:
            raise InputError(
                f"There is no clause {name!r}.", hint=f"There are: {', '.join(active) or 'none'}."
            )
    if len(set(changed)) < len(changed):
        raise InputError("A clause is changed twice.", hint="Reword it, or drop it.")
    fresh = iter(clause_ids(concept, len(changes.reword) + len(changes.add)))
    edits = [DefinitionEdit(kind="drop", clause=active[name]) for name in changes.drop]
    for name, said in changes.reword.items():
        role, text = read_clause(said, role=active[name].role)
        if (role, text) != (active[name].role, active[name].text):
            clause = Clause(id=next(fresh), role=role, text=text, state="agreed")
            edits.append(DefinitionEdit(kind="reword", clause=clause, replaces=name))
    for said in changes.add:
        role, text = read_clause(said)
        edits.append(
            DefinitionEdit(kind="add", clause=Clause(id=next(fresh), role=role, text=text, state="agreed"))
        )
    return edits


def read_clause(said: str, *, role: ClauseRole | None = None) -> tuple[ClauseRole, str]:
    """Role and text of "ROLE: TEXT".

    Args:
        said: What was written.
        role: The role where none is written.

    Raises:
        InputError: No role is there, or no text, or too long a one.
    """
    first, colon, rest = said.partition(":")
    named: ClauseRole | None = next(
        (each for each in ROLES if colon and first.strip().casefold() == each), None
    )
    text = " ".join((rest if named else said).split())
    found = named or role
    if found is None:
        raise InputError(
            f"{said!r} does not say which role the clause plays.",
            hint='Write "necessary: …" (must hold), "positive: …" (suffices) or "negative: …" (may not).',
        )
    if not 0 < len(text) <= MOST_CHARACTERS:
        raise InputError(
            f"A clause has 1 to {MOST_CHARACTERS} characters, and this one has {len(text)}.",
            hint="Say one thing in one sentence.",
        )
    return found, text


def _check(definition: Definition) -> None:
    if not definition.active:
        raise InputError("No clause would be left.", hint="Add one in the same change.")
    keys = [(clause.role, plain(clause.text)) for clause in definition.active]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise InputError(f"The clause {twice[1]!r} would be there twice.", hint="Leave one of them out.")


def _stale(folder: ConceptFolder, before: Concept, after: Concept) -> tuple[str, ...]:
    told: list[str] = []
    if after.current != before.current:
        told.append(
            f"Version {after.current} is in force; the conversation goes on with it, with a new board. How "
            "well it fits your labels is known after that."
        )
        if (built := _newest_built(folder, before)) is not None:
            told.append(
                f"The classifier of version {built} stays as it is; version {after.current} has none yet."
            )
        if before.current in before.blind_looks:
            told.append(
                f"The measurement is of version {before.current}; version {after.current} has its own look."
            )
    told += _stale_labels(folder, before, after)
    old, new = settled_answers(before), settled_answers(after)
    changed = {question for question in new if new[question] != old.get(question)}
    if changed:
        brought, _ = bound(before)
        active = {(clause.role, plain(clause.text)): clause for clause in after.definition.active}
        led = [
            active[key].id
            for key, said in brought.items()
            if key in active and any(said.startswith(question) for question in changed)
        ]
        if led:
            told.append(
                f"Clauses that the former answer brought stay: {', '.join(led)}. Change them if need be."
            )
        if _newest_built(folder, before) is not None:
            told.append("Folders that were exported keep the former answer until they are exported again.")
    return tuple(told)


def _stale_labels(folder: ConceptFolder, before: Concept, after: Concept) -> list[str]:
    """What does not know of labels that changed."""
    fresh = after.labels[len(before.labels) :]
    told: list[str] = []
    if any(label.split == "dev" for label in fresh):
        if (built := _newest_built(folder, before)) is not None:
            then = (
                "it was measured and stays; the next version learns from this"
                if built in before.blind_looks
                else "build it again"
            )
            told.append(f"The classifier of version {built} was built with the former label; {then}.")
        told.append("How well the definition fits your labels is counted anew after the next board.")
    if looks := before.blind_looks if any(label.split == "blind" for label in fresh) else ():
        told.append(
            f"The measurement of version {', '.join(map(str, looks))} was made with the former label and "
            "stays. The next one is made with this."
        )
    return told


def _newest_built(folder: ConceptFolder, concept: Concept) -> int | None:
    for version in reversed(concept.versions):
        try:
            built = read_built(folder.path / MODELS / f"v{version.number}")
        except RunError:
            continue
        if built is not None:
            return version.number
    return None
