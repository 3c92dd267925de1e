"""What the scripted guide answers to questions about one picture, from what it takes the picture to show."""

from collections.abc import Mapping, Sequence
from typing import Any

from fieldmark.aviary.guide.beliefs import Beliefs, seeded_rng
from fieldmark.aviary.guide.clauses import (
    ReadClause,
    called,
    class_sections,
    features_said,
    read_clause,
    read_document,
    settled_by,
    sureness,
)
from fieldmark.aviary.guide.sight import Glimpse
from fieldmark.aviary.language.clause_words import birds_with
from fieldmark.aviary.language.understand import understand
from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY, NONE
from fieldmark.aviary.world.conditions import (
    FEATURES,
    HABITAT,
    LIGHT,
    UNKNOWN_VALUE,
    Condition,
    Is,
    View,
    atoms,
    features_of,
    holds,
    probability,
)

CANNOT_SAY = "I cannot tell what this picture shows."
MOST_GAPS = 3
# How much a feature strikes the eye, where the mark is there.
_STRIKING: Mapping[str, float] = {
    "body": 1.0, "wing": 0.5, "belly": 0.5, "pattern": 0.8, "bill": 0.9, "bill_colour": 0.4, "crest": 1.0,
    "tail": 0.6, "leg_colour": 0.4, "leg_length": 0.6, "neck": 0.6, "eye_ring": 0.3, "cap": 1.2, "collar":
    0.7,
    "wing_bar": 0.3, "size": 0.9, HABITAT: 1.2, LIGHT: 1.6,
}  # fmt: skip
_PLAIN_VALUES = frozenset({NONE, "day", "plain", "medium"})
_PLAIN_SHARE = 0.25
_CHANCE = 1.0
_UNSAID = 0.5
_LIKENESS = 0.6


def judge(
    glimpse: Glimpse | None,
    clauses: Sequence[ReadClause],
    examples: Sequence[tuple[str, Glimpse | None]] = (),
) -> dict[str, Any]:
    """Say of each clause whether it holds; one that is not understood goes by the example that is likest.

    Args:
        glimpse: What the picture is taken to show.
        clauses: What is asked.
        examples: "in" or "out", and what a picture is taken to show that its owner labelled so.
    """
    if glimpse is None:
        rows = [_finding(clause, None, 0.5) for clause in clauses]
        return {"seen": CANNOT_SAY, "findings": rows, "rationale": CANNOT_SAY}
    view = glimpse.view
    rows: list[dict[str, Any]] = []
    reasons: list[str] = []
    for clause in clauses:
        found = None if clause.condition is None else holds(clause.condition, view.values)
        if clause.condition is None and examples and (like := likest(view, examples)) is not None:
            rows.append(_finding(clause, like == "in", _LIKENESS))
            continue
        rows.append(_finding(clause, found, sureness(clause, view)))
        if clause.condition is not None and found is not None and len(reasons) < 4:
            reasons.append(observed(view, features_of(clause.condition)))
    stated = "; ".join(dict.fromkeys(each for each in reasons if each))
    return {
        "seen": glimpse.seen,
        "findings": rows,
        "rationale": f"I see {stated}." if stated else glimpse.seen,
    }


def likest(view: View, examples: Sequence[tuple[str, Glimpse | None]]) -> str | None:
    """The label of the example that shares most features with a picture; None where none can be seen."""
    alike = [
        (sum(each.view.values[key] == view.values[key] != UNKNOWN_VALUE for key in FEATURES), label)
        for label, each in examples
        if each is not None
    ]
    return max(alike)[1] if alike else None


def gap(
    glimpse: Glimpse | None, call: str, clauses: Sequence[ReadClause], *, concept: str, purpose: str
) -> dict[str, Any]:
    """Name what the owner may mind, if they disagree with the call; the likeliest first."""
    if glimpse is None:
        return {"gaps": [{"gap": "pictures in which nothing can be made out"}]}
    values = glimpse.view.values
    mentioned = features_said(clauses)
    against = {key for clause in settled_by(clauses, values) for key in _blamed(clause, values)}
    if call == "out" and not against:  # no positive clause holds
        against = features_said([clause for clause in clauses if clause.role == "positive"])
    wide = {
        found.key
        for clause in clauses
        if clause.condition is not None
        for found, _ in atoms(clause.condition)
        if len(found.values) > 1
    }
    brought_up = understand(f"{concept}. {purpose}")
    thought_of = features_of(brought_up.condition) if brought_up is not None else frozenset[str]()
    scored: list[tuple[float, str]] = []
    for key in FEATURES:
        value = values[key]
        if value == UNKNOWN_VALUE:
            continue
        score = _STRIKING[key] * (_PLAIN_SHARE if value in _PLAIN_VALUES else 1.0)
        if call == "out":
            score += 2.5 if key in against else 0.0
        elif key in mentioned:
            score = score + 1.0 if key in wide else score * 0.2
        score += 0.6 if key in thought_of else 0.0
        score += _CHANCE * seeded_rng("gap", glimpse.picture, key, call).random()
        scored.append((score, key))
    scored.sort(reverse=True)
    best = [key for score, key in scored[:MOST_GAPS] if score > scored[0][0] - 1.5]
    return {"gaps": [{"gap": birds_with(Is(key, frozenset({values[key]})))} for key in best] or [
        {"gap": "birds of this look"}
    ]}  # fmt: skip


def judge_by_document(glimpse: Glimpse | None, document: str) -> dict[str, Any]:
    """Label a picture by written instructions alone."""
    if glimpse is None:
        return {"label": "unsure", "confidence": 50, "rationale": CANNOT_SAY}
    clauses = read_document(document)
    verdict, sure = called(clauses, glimpse.view)
    if verdict is None:
        why = "The instructions leave it open." if clauses else "I find no rules in the instructions."
        return {"label": "unsure", "confidence": 50, "rationale": why}
    blamed = settled_by(clauses, glimpse.view.values)
    keys = features_said(blamed or clauses)
    return {
        "label": "in" if verdict else "out",
        "confidence": percent(sure),
        "rationale": f"I see {observed(glimpse.view, keys) or glimpse.seen}.",
    }


def choose(
    glimpse: Glimpse | None,
    candidates: Sequence[str],
    marks: Sequence[Mapping[str, Condition]],
    *,
    noun: str = "bird",
) -> dict[str, Any]:
    """Choose the class whose marks fit the picture best; "none" where no attribute can be made out.

    Args:
        glimpse: What the picture is taken to show.
        candidates: Class names.
        marks: For each attribute what candidates are said, or held, to have.
        noun: What the classes are, for the rationale.
    """
    if glimpse is None:
        return {"choice": "none", "confidence": 0, "rationale": CANNOT_SAY}
    fits = dict.fromkeys(candidates, 0.0)
    stated = 0
    seen: list[str] = []
    for given in marks:
        known = {name: condition for name, condition in given.items() if name in fits}
        if not known:
            continue
        stated += 1
        for name, condition in known.items():
            fits[name] += probability(condition, glimpse.view)
        seen.append(observed(glimpse.view, frozenset().union(*map(features_of, known.values()))))
    order = sorted(candidates, key=lambda name: -fits[name])
    if not stated or (len(order) > 1 and fits[order[0]] - fits[order[1]] < 0.02 * stated):
        return {"choice": "none", "confidence": 30, "rationale": f"No mark tells these {noun}s apart here."}
    lead = (fits[order[0]] - (fits[order[1]] if len(order) > 1 else 0.0)) / stated
    return {
        "choice": order[0],
        "confidence": min(round(100 * (0.5 + 0.5 * lead)), 99),
        "rationale": f"I see {'; '.join(each for each in seen[:4] if each) or glimpse.seen}.",
    }


def choose_by_document(glimpse: Glimpse | None, candidates: Sequence[str], document: str) -> dict[str, Any]:
    """Choose the class that fits best by what a document says of each, and by nothing else."""
    stated = {name: own for name, own in class_sections(document).items() if name in candidates}
    width = max(map(len, stated.values()), default=0)
    if glimpse is None or not width:
        return {"choice": "none", "confidence": 0, "rationale": CANNOT_SAY}
    # Who is said to have fewer marks is neither likelier nor less likely for that.
    fits = {
        name: (sum(probability(each, glimpse.view) for each in own) + _UNSAID) / (len(own) + 2 * _UNSAID)
        for name, own in stated.items()
    }
    order = sorted(stated, key=lambda name: -fits[name])
    lead = fits[order[0]] - (fits[order[1]] if len(order) > 1 else 0.0)
    return {
        "choice": order[0],
        "confidence": min(round(100 * (0.5 + 0.5 * lead)), 99),
        "rationale": f"I see {glimpse.seen}.",
    }


def marks_stated(marks: Sequence[tuple[str, Mapping[str, str]]]) -> list[dict[str, Condition]]:
    """What is understood of marks that a question states: attribute, and value by candidate."""
    read = [
        {name: read_clause(_as_mark(each, v)).condition for name, v in own.items()} for each, own in marks
    ]
    return [{name: found for name, found in own.items() if found is not None} for own in read]


def marks_held(
    candidates: Sequence[str], beliefs: Beliefs, seen: Mapping[str, Glimpse]
) -> list[dict[str, Condition]]:
    """What is held of candidates where a question states no marks; of one with an example what that shows."""
    held: dict[str, Mapping[str, str]] = {name: beliefs.of(name).held for name in candidates}
    held |= {name: glimpse.view.values for name, glimpse in seen.items() if name in held}
    return [
        {name: Is(key, frozenset({own[key]})) for name, own in held.items() if own[key] != UNKNOWN_VALUE}
        for key in ATTRIBUTE_BY_KEY
    ]


def _finding(clause: ReadClause, found: bool | None, sure: float) -> dict[str, Any]:
    word = "cannot_tell" if found is None else ("yes" if found else "no")
    return {"clause": clause.id, "finding": word, "confidence": percent(sure)}


def percent(sure: float) -> int:
    """How sure, as an answer states it."""
    return min(max(round(100 * sure), 50), 99)


def observed(view: View, keys: frozenset[str]) -> str:
    """What is seen of some features, in a few words."""
    stated = [
        birds_with(Is(key, frozenset({view.values[key]}))).removeprefix("birds with ").removeprefix("birds ")
        for key in FEATURES
        if key in keys and view.values[key] != UNKNOWN_VALUE
    ]
    return ", ".join(stated[:4])


def _blamed(clause: ReadClause, values: Mapping[str, str]) -> frozenset[str]:
    """The features through which a clause puts a picture out."""
    if clause.condition is None:
        return frozenset()
    wrong = {
        found.key
        for found, negated in atoms(clause.condition)
        if holds(found, values) is (negated is (clause.role == "necessary"))
    }
    return frozenset(wrong) or features_of(clause.condition)


def _as_mark(attribute: str, value: str) -> str:
    """A value as a phrase that names its part: "red" of the attribute "cap colour" is a red cap."""
    if understand(value) is not None and value.casefold() not in _BARE:
        return value
    part = attribute.casefold().removesuffix(" colour").removesuffix(" color").removesuffix(" shape")
    return f"{value} {part.removesuffix(' length').removesuffix(' pattern')}"


_BARE = frozenset(value for a in ATTRIBUTE_BY_KEY.values() if a.is_colour for value in a.values)
