"""Proposes edits of a definition and lets them compete with it on the owner's labels.

It knows nothing of boards, of how an edit is offered or of the graph's order.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fieldmark.agents.define_context import DefineContext
from fieldmark.agents.define_recording import MISREAD
from fieldmark.agents.define_scope import answers, clause_ids
from fieldmark.agents.define_scores import calls, clause_verdicts, dev_f1
from fieldmark.errors import QuestionFailed
from fieldmark.prompts.refine import ProposedEdit, RefineExample, ask_refine
from fieldmark.records import Call, Clause, ClauseVerdict, Concept, Definition, Edit, Label, Verdict
from fieldmark.records.conversation import Flip
from fieldmark.tools.concept_changes import dev_labels, edited

logger = logging.getLogger(__name__)

MOST_EXAMPLES = 60
"""Labelled images that a question about edits shows, at most; disagreements first."""
COMPLEXITY = {"drop": -1, "agree": 0, "reword": 0, "add": 1}
"""What an edit adds to a definition, in clauses."""
RIGHT: Mapping[str, Call] = {"in": "in", "out": "out"}


@dataclass(frozen=True)
class Weighed:
    """An edit tried on the owner's labels.

    Attributes:
        edit: The edit.
        flips: Labelled images whose call it changes.
        fixes: Calls that it makes right.
        breaks: Right calls that it makes wrong.
        f1_before: F1 of the definition in force; None where no label is "in".
        f1_after: F1 with the edit.
    """

    edit: Edit
    flips: tuple[Flip, ...]
    fixes: int
    breaks: int
    f1_before: float | None
    f1_after: float | None

    @property
    def gain(self) -> int:
        """Right calls won, less those lost."""
        return self.fixes - self.breaks

    @property
    def acceptable(self) -> bool:
        """Whether it may be offered: it fixes something, and the simpler definition wins within noise.

        The noise is one standard error of a paired difference of right calls, the square root of how many
        changed. What makes the definition longer must win by it, what shortens it may lose by it, and what
        leaves it as long must win at all. Only what shortens it may lower F1.
        """
        if not self.fixes:
            return False
        error = math.sqrt(self.fixes + self.breaks)
        more = COMPLEXITY[self.edit.kind]
        if more < 0:
            return self.gain >= -error
        if (self.f1_after or 0.0) < (self.f1_before or 0.0):
            return False
        return self.gain >= error if more > 0 else self.gain > 0


async def proposed(
    concept: Concept, verdicts: Sequence[Verdict], context: DefineContext
) -> tuple[tuple[Edit, ...], bool]:
    """Candidate edits from the language model, and whether it answered.

    Args:
        concept: The concept.
        verdicts: Verdicts on the labelled images outside of the blind test, by the definition in force.
        context: The conversation's tools.
    """
    examples = examples_of(dev_labels(concept), verdicts)
    if context.llm is None or not any(wrong(e.owner, e.call) for e in examples):
        return (), True
    question = ask_refine(
        concept.name,
        purpose=concept.purpose,
        clauses=concept.definition.active,
        answers=answers(concept),
        examples=examples[:MOST_EXAMPLES],
    )
    try:
        found = (await context.llm.ask(question)).value.edits
    except QuestionFailed as error:
        logger.warning("No edits were proposed (%s).", error.reason)
        context.report("failed", {"kind": "refine", "reason": error.reason})
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


def usable(found: Sequence[ProposedEdit], concept: Concept) -> tuple[Edit, ...]:
    """The proposals that can be made, each once; what the owner turned down before is not offered again."""
    active = {clause.id: clause for clause in concept.definition.active}
    texts = {(clause.role, _plain(clause.text)) for clause in active.values()}
    turned_down = {
        _key(decision.edit)
        for decision in concept.decisions
        if decision.kind == "edit" and decision.edit and not decision.answer.startswith("accepted")
    }
    edits: dict[tuple[str, ...], Edit] = {}
    for each, name in zip(found, clause_ids(concept, len(found)), strict=True):
        old = active.get(each.clause)
        edit: Edit | None = None
        if each.kind == "drop":
            if old is not None and len(active) > 1:
                edit = Edit(kind="drop", clause=old, why=each.why)
        elif each.text and (each.role or old) and (each.kind == "add" or old):
            role = each.role or (old.role if old else "necessary")
            clause = Clause(id=name, role=role, text=each.text, state="agreed")
            if (role, _plain(each.text)) not in texts:
                replaces = old.id if each.kind == "reword" and old else None
                edit = Edit(kind=each.kind, clause=clause, replaces=replaces, why=each.why)
        if edit is not None and _key(edit) not in turned_down:
            edits.setdefault(_key(edit), edit)
    return tuple(edits.values())


async def weigh(edits: Sequence[Edit], concept: Concept, context: DefineContext) -> list[Weighed]:
    """Try edits on the labelled images; the new clauses of all of them are judged in one look at an image."""
    labels = dev_labels(concept)
    files = context.files(list(labels))
    definition = concept.definition
    new = [edit.clause for edit in edits if edit.kind in ("add", "reword")]
    everything = Definition(clauses=(*definition.active, *new))
    found = clause_verdicts(await context.annotator.judge(files, everything))
    return [weighed(edit, definition, labels, found) for edit in edits]


def weighed(
    edit: Edit,
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
        f1_before=dev_f1(labels, before),
        f1_after=dev_f1(labels, after),
    )


def best(candidates: Sequence[Weighed]) -> Weighed | None:
    """The acceptable edit that gains most; among equals the one that leaves the definition simplest."""
    acceptable = [each for each in candidates if each.acceptable]
    if not acceptable:
        return None
    return min(
        acceptable,
        key=lambda w: (-w.gain, COMPLEXITY[w.edit.kind], len(w.edit.clause.text), w.edit.clause.id),
    )


def diff_lines(definition: Definition, edit: Edit) -> tuple[str, ...]:
    """The definition after an edit, line by line: "- " what goes, "+ " what comes, two spaces what stays."""
    gone = {edit.replaces} if edit.kind == "reword" else {edit.clause.id} if edit.kind == "drop" else set()
    lines = [
        f"{'-' if clause.id in gone else ' '} {clause.role}: {clause.text}" for clause in definition.active
    ]
    if edit.kind in ("add", "reword"):
        lines.append(f"+ {edit.clause.role}: {edit.clause.text}")
    return tuple(lines)


def _key(edit: Edit) -> tuple[str, ...]:
    if edit.kind == "drop":
        return ("drop", edit.clause.id)
    return (edit.kind, edit.replaces or "", edit.clause.role, _plain(edit.clause.text))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")
