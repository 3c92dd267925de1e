"""Which clauses stand for an answer of the owner, and which edits would undo one.

An answer is binding: an edit against it says so when it is offered, and once the owner declines it no edit
against that answer is offered again, in whatever words.
"""

from collections.abc import Mapping

from fieldmark.records import Concept, Decision, Definition, DefinitionEdit, Version
from fieldmark.tools.concepts.changes import settled_answers

REVISED = "revised by an answer"
"""Why a version was made that an answer led to."""
DRAFTED = "drafted from name and purpose"
NAME_ALONE = "the name alone"
"""Why a first version was made, by a language model or without one."""
BACK = "it was there before, and your labels speak for it again"
TOO_MUCH = "the definition is shorter without this clause, and within noise as good on your labels"
"""Why an edit is offered that no language model proposed."""
BY_HAND = "by hand"
"""How the reason of a version begins that the owner wrote."""

Key = tuple[str, str]
"""Role and plain text of a clause: one that is dropped and comes back is the same."""


def plain(text: str) -> str:
    """A clause's text in the one spelling that is compared."""
    return " ".join(text.casefold().split()).rstrip(".")


def against(edit: DefinitionEdit, concept: Concept) -> tuple[str, ...]:
    """The answers that an edit would undo, each with its question; none where it undoes none.

    It undoes one where it removes or replaces a clause that the answer brought, or brings one back that the
    answer took away.
    """
    brought, taken = bound(concept)
    active = {clause.id: clause for clause in concept.definition.active}
    gone = active.get(edit.clause.id if edit.kind == "drop" else edit.replaces or "")
    found: list[str] = []
    if edit.kind in ("drop", "reword") and gone is not None:
        found.append(brought.get((gone.role, plain(gone.text)), ""))
    if edit.kind in ("add", "reword"):
        found.append(taken.get((edit.clause.role, plain(edit.clause.text)), ""))
    return tuple(dict.fromkeys(filter(None, found)))


def stood_by(concept: Concept) -> frozenset[str]:
    """The answers that the owner held to when an edit against them was offered."""
    return frozenset(
        answer for decision in concept.decisions if not accepted(decision) for answer in decision.against
    )


def accepted(decision: Decision) -> bool:
    """Whether an edit was made that was offered."""
    return decision.kind == "edit" and decision.answer.startswith("accepted")


def made_by(version: Version, concept: Concept) -> str:
    """Who made a version, in words; empty where the records do not tell."""
    if version.why.startswith(BY_HAND):
        return "you"
    for decision in concept.decisions:
        if decision.at == version.at and decision.edit is not None and accepted(decision):
            proposer = "Fieldmark" if decision.edit.why in (BACK, TOO_MUCH) else "the language model"
            # "accepted", "accepted in other words", and perhaps a reason behind it.
            return f"{proposer}, {decision.answer.partition(':')[0]} by you"
    return {
        REVISED: "the language model, after your answer",
        DRAFTED: "the language model",
        NAME_ALONE: "Fieldmark, without a language model",
    }.get(version.why, "")


def bound(concept: Concept) -> tuple[Mapping[Key, str], Mapping[Key, str]]:
    """Clauses that answers brought, and clauses that answers took away, each with the answer in words.

    A later answer outweighs an earlier one, and so does an edit that the owner accepted later.
    """
    brought: dict[Key, str] = {}
    taken: dict[Key, str] = {}
    for version in concept.versions:
        before, after = _keys(_basis(version, concept)), _keys(version.definition)
        came, went = after - before, before - after
        for key in (*came, *went):
            brought.pop(key, None)
            taken.pop(key, None)
        if said := _what_led_to(version, concept):
            brought |= dict.fromkeys(came, said)
            taken |= dict.fromkeys(went, said)
    return brought, taken


def declined_edits(concept: Concept) -> list[tuple[str, str]]:
    """Edits that the owner did not want as questions with answers, for whoever proposes the next ones."""
    found: dict[str, str] = {}
    for decision in concept.decisions:
        edit = decision.edit
        if decision.kind != "edit" or edit is None or accepted(decision):
            continue
        what = f"{edit.kind} {edit.clause.role}: {edit.clause.text}"
        found[f"Shall this edit be made: {what}"] = decision.answer.replace("declined", "no", 1)
    return list(found.items())


def _basis(version: Version, concept: Concept) -> Definition:
    """The definition that a version was made from: the one before, or that gone back to meanwhile."""
    number = version.number - 1
    if not number:
        return Definition()
    since = concept.versions[number - 1].at
    backs = [d for d in concept.decisions if d.kind == "rollback" and since <= d.at <= version.at]
    return concept.versions[(int(backs[-1].answer) if backs else number) - 1].definition


def _what_led_to(version: Version, concept: Concept) -> str:
    """The answer that a version was made by, in words; empty where none was."""
    if version.why.startswith(BY_HAND):
        return f"You wrote version {version.number} yourself."
    if version.why != REVISED:
        return ""
    earlier = [d for d in concept.decisions if d.kind == "scope" and d.answer.strip() and d.at <= version.at]
    # An answer that was put right since binds nobody to what the former one brought.
    if not earlier or settled_answers(concept)[earlier[-1].question] != earlier[-1].answer:
        return ""
    return f"{earlier[-1].question} You said: {earlier[-1].answer}."


def _keys(definition: Definition) -> set[Key]:
    return {(clause.role, plain(clause.text)) for clause in definition.active}
