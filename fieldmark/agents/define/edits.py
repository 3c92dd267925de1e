"""Proposes edits of a definition and lets them compete with it on the owner's labels."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fieldmark.agents.define.binding import (
    BACK,
    TOO_MUCH,
    accepted,
    against,
    declined_edits,
    plain,
    stood_by,
)
from fieldmark.agents.define.context import DefineContext
from fieldmark.agents.define.scope import answers
from fieldmark.agents.define.scores import F1Change, calls, clause_verdicts, f1_change
from fieldmark.errors import QuestionFailed
from fieldmark.prompts.refine import MAX_EDITS, ProposedEdit, RefineExample, ask_refine
from fieldmark.records import Call, Clause, ClauseVerdict, Concept, Definition, DefinitionEdit, Label, Verdict
from fieldmark.records.conversation import ALIKE, Flip
from fieldmark.tools.concepts.changes import MISREAD, clause_ids, dev_labels, edited
from fieldmark.tools.runs.events import StepFailed

logger = logging.getLogger(__name__)

MOST_EXAMPLES = 60
"""Labelled images that a question about edits shows, at most; disagreements first."""
LEAST_LABELS = 10
"""Labels before the first edit is looked for: five fit any number of definitions without a mistake."""
FURTHER_LABELS = 20
"""Labels after which an edit that was declined may be offered once more."""
MOST_BACK = 6
"""Dropped clauses that are tried again, the last ones."""
COMPLEXITY = {"drop": -1, "agree": 0, "reword": 0, "add": 1}
"""What an edit adds to a definition, in clauses."""
NOISE = 0.9
"""Standard errors within which two definitions are alike: just below one, as a single label put right has."""
RIGHT: Mapping[str, Call] = {"in": "in", "out": "out"}


@dataclass(frozen=True)
class Weighed:
    """An edit tried on the owner's labels.

    Attributes:
        edit: The edit.
        flips: Labelled images whose call it changes.
        fixes: Calls that it makes right.
        breaks: Right calls that it makes wrong.
        f1: What it does to F1.
        called: What the definition with the edit makes of the labelled images.
    """

    edit: DefinitionEdit
    flips: tuple[Flip, ...]
    fixes: int
    breaks: int
    f1: F1Change
    called: Mapping[str, Call] = field(default_factory=dict[str, Call])

    @property
    def acceptable(self) -> bool:
        """Whether it may be offered: it fixes something, and the simpler definition wins within noise.

        What shortens the definition may lower F1 by about a standard error of the difference; what does not
        must raise it by as much.
        """
        if not self.fixes:
            return False
        noise = NOISE * self.f1.error
        if COMPLEXITY[self.edit.kind] < 0:
            return self.f1.gain >= -noise
        return self.f1.gain > 0 and self.f1.gain >= noise


async def proposed(
    concept: Concept, verdicts: Sequence[Verdict], context: DefineContext
) -> tuple[tuple[DefinitionEdit, ...], bool]:
    """Candidate edits from the language model, and whether it answered.

    Args:
        concept: The concept.
        verdicts: Verdicts on the labelled images outside of the blind test, by the definition in force.
        context: The conversation's tools.
    """
    examples = examples_of(dev_labels(concept), verdicts)
    few = len(examples) < LEAST_LABELS
    if context.llm is None or few or not any(wrong(e.owner, e.call) for e in examples):
        return (), True
    question = ask_refine(
        concept.name,
        purpose=concept.purpose,
        clauses=concept.definition.active,
        answers=[*answers(concept), *declined_edits(concept)],
        examples=examples[:MOST_EXAMPLES],
    )
    try:
        found = (await context.llm.ask(question)).value.edits
    except QuestionFailed as error:
        logger.warning("No edits were proposed (%s).", error.code)
        context.progress(StepFailed(kind="refine", reason=error.code))
        return (), False
    return usable(found, concept), True


def examples_of(labels: Mapping[str, Label], verdicts: Sequence[Verdict]) -> list[RefineExample]:
    """Labelled images in words: the wrongly called ones first, those with a reason before all."""
    found = [
        RefineExample(
            seen=verdict.seen,
            owner=labels[verdict.image].value,
            reason=labels[verdict.image].reason,
            call=verdict.call,
            findings={each.clause: each.finding for each in verdict.clauses},
        )
        for verdict in verdicts
        if verdict.image in labels
    ]

    def place(example: RefineExample) -> tuple[bool, bool]:
        mistaken = wrong(example.owner, example.call) and not example.reason.startswith(MISREAD)
        return not mistaken, not example.reason

    return sorted(found, key=place)


def wrong(owner: str, call: str) -> bool:
    """Whether a call is the opposite of the owner's label."""
    return {owner, call} == {"in", "out"}


def usable(found: Sequence[ProposedEdit], concept: Concept) -> tuple[DefinitionEdit, ...]:
    """The proposals that can be made, each once; what the owner turned down before is not offered again."""
    active = {clause.id: clause for clause in concept.definition.active}
    texts = {(clause.role, plain(clause.text)) for clause in active.values()}
    unwanted = Unwanted(concept)
    edits: dict[tuple[str, ...], DefinitionEdit] = {}
    for each, name in zip(found, clause_ids(concept, len(found)), strict=True):
        old = active.get(each.clause)
        edit: DefinitionEdit | None = None
        if each.kind == "drop":
            if old is not None and len(active) > 1:
                edit = DefinitionEdit(kind="drop", clause=old, why=each.why)
        elif each.text and (each.role or old) and (each.kind == "add" or old):
            role = each.role or (old.role if old else "necessary")
            clause = Clause(id=name, role=role, text=each.text, state="agreed")
            if (role, plain(each.text)) not in texts:
                replaces = old.id if each.kind == "reword" and old else None
                edit = DefinitionEdit(kind=each.kind, clause=clause, replaces=replaces, why=each.why)
        if edit is not None and edit not in unwanted:
            edits.setdefault(_key(edit), edit)
    return tuple(edits.values())


class Unwanted:
    """Edits that are not to be offered: ask with `edit in Unwanted(concept)`.

    One that was declined is offered once more, after `FURTHER_LABELS` further labels, and then never again.
    One against an answer that the owner stood by is never offered again, whatever its words.
    """

    def __init__(self, concept: Concept) -> None:
        self._concept = concept
        self._stood_by = stood_by(concept)
        declined: dict[tuple[str, ...], list[str]] = {}
        for decision in concept.decisions:
            if decision.kind == "edit" and decision.edit and not accepted(decision):
                declined.setdefault(_key(decision.edit), []).append(decision.at)
        since = [label.at for label in concept.labels if label.split == "dev"]
        self._declined = {
            key
            for key, times in declined.items()
            if len(times) > 1 or sum(at > times[-1] for at in since) < FURTHER_LABELS
        }

    def __contains__(self, edit: DefinitionEdit) -> bool:
        if _key(edit) in self._declined:
            return True
        return bool(self._stood_by) and not self._stood_by.isdisjoint(against(edit, self._concept))


async def weigh(edits: Sequence[DefinitionEdit], concept: Concept, context: DefineContext) -> list[Weighed]:
    """Try edits on the labelled images; the new clauses of all of them are judged in one look at an image."""
    labels = dev_labels(concept)
    files = context.files(list(labels))
    definition = concept.definition
    tried = variants(edits, concept)
    new = {edit.clause.id: edit.clause for edit in tried if edit.kind in ("add", "reword")}.values()
    everything = Definition(clauses=(*definition.active, *new))
    found = clause_verdicts(await context.annotator.judge(files, everything))
    unwanted = Unwanted(concept)
    return [weighed(edit, definition, labels, found) for edit in tried if edit not in unwanted]


def weighed(
    edit: DefinitionEdit,
    definition: Definition,
    labels: Mapping[str, Label],
    verdicts: Mapping[str, Sequence[ClauseVerdict]],
) -> Weighed:
    """What an edit would change, given clause verdicts of all clauses concerned."""
    before = calls(definition, verdicts)
    after = calls(edited(definition, edit), verdicts)
    flips = tuple(
        Flip(image=image, owner=labels[image].value, before=before[image], after=after[image])
        for image in before
        if before[image] != after[image]
    )
    counted = [f for f in flips if f.owner != "unsure" and not labels[f.image].reason.startswith(MISREAD)]
    return Weighed(
        edit=edit,
        flips=flips,
        fixes=sum(f.after == RIGHT[f.owner] for f in counted),
        breaks=sum(f.before == RIGHT[f.owner] for f in counted),
        f1=f1_change(labels, before, after),
        called=after,
    )


def variants(edits: Sequence[DefinitionEdit], concept: Concept) -> list[DefinitionEdit]:
    """The edits, and what follows from them without another look at any image.

    A new clause may as well take the place of one that is there, any clause may be one too many, and one that
    was dropped may have been right. Where a clause is wrong, neither a new one beside it nor its removal may
    help alone, and an edit that few labels spoke for can be undone once there are more.
    """
    active = concept.definition.active
    texts = {(clause.role, plain(clause.text)) for clause in active}
    texts |= {(edit.clause.role, plain(edit.clause.text)) for edit in edits}
    gone = {
        (clause.role, plain(clause.text)): clause
        for clause in concept.definition.clauses
        if clause.state == "dropped"
    }
    back = [clause for key, clause in gone.items() if key not in texts][-MOST_BACK:]
    taken = {edit.clause.id for edit in edits}
    ids = [name for name in clause_ids(concept, len(taken) + MAX_EDITS + len(back)) if name not in taken]
    returning = [
        DefinitionEdit(kind="add", clause=clause.model_copy(update={"id": name, "state": "agreed"}), why=BACK)
        for clause, name in zip(back, ids, strict=False)
    ]
    found = [*edits, *returning]
    for edit in (*edits, *returning):
        if edit.kind == "add":
            swaps = [{"kind": "reword", "replaces": clause.id} for clause in active]
            found += [edit.model_copy(update=swap) for swap in swaps]
    if len(active) > 1:
        dropped = {edit.clause.id for edit in edits if edit.kind == "drop"}
        found += [
            DefinitionEdit(kind="drop", clause=clause, why=TOO_MUCH)
            for clause in active
            if clause.id not in dropped
        ]
    return found


def still_possible(edits: Sequence[DefinitionEdit], definition: Definition) -> list[DefinitionEdit]:
    """The edits that another one, made meanwhile, has not made pointless."""
    active = {clause.id for clause in definition.active}
    known = {clause.id for clause in definition.clauses}
    return [
        edit
        for edit in edits
        if (edit.clause.id in active if edit.kind == "drop" else edit.clause.id not in known)
        and (edit.replaces is None or edit.replaces in active)
    ]


def best(candidates: Sequence[Weighed], labels: Mapping[str, Label]) -> Weighed | None:
    """The acceptable edit to offer.

    Of those that are as good, within noise, as the one that raises F1 most: the one that leaves the
    definition simplest, and of those the one that was proposed first.

    Args:
        candidates: In the order proposed, the most promising first.
        labels: The labels that they were weighed on.
    """
    acceptable = [each for each in candidates if each.acceptable]
    if not acceptable:
        return None
    most = max(acceptable, key=lambda each: each.f1.gain)

    def behind(each: Weighed) -> bool:
        change = f1_change(labels, each.called, most.called)
        return change.gain > ALIKE and change.gain > NOISE * change.error

    return min((each for each in acceptable if not behind(each)), key=lambda each: COMPLEXITY[each.edit.kind])


def diff_lines(definition: Definition, edit: DefinitionEdit) -> tuple[str, ...]:
    """The definition after an edit, line by line: "- " what goes, "+ " what comes, two spaces what stays."""
    gone = {edit.replaces} if edit.kind == "reword" else {edit.clause.id} if edit.kind == "drop" else set()
    lines = [
        f"{'-' if clause.id in gone else ' '} {clause.role}: {clause.text}" for clause in definition.active
    ]
    if edit.kind in ("add", "reword"):
        lines.append(f"+ {edit.clause.role}: {edit.clause.text}")
    return tuple(lines)


def _key(edit: DefinitionEdit) -> tuple[str, ...]:
    if edit.kind == "drop":
        return ("drop", edit.clause.id)
    return (edit.kind, edit.replaces or "", edit.clause.role, plain(edit.clause.text))
