"""What the scripted guide answers where one picture takes several questions: judged in steps, or debated."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fieldmark.aviary.guide.beliefs import seeded_rng
from fieldmark.aviary.guide.clauses import ReadClause, called, features_said
from fieldmark.aviary.guide.picture_answers import CANNOT_SAY, likest, observed, percent
from fieldmark.aviary.guide.sight import Glimpse, mistaken
from fieldmark.aviary.language.clause_words import bird_described
from fieldmark.aviary.language.understand import understand, values_described
from fieldmark.aviary.world.conditions import FEATURES, UNKNOWN_VALUE, View, atoms, features_of, holds

_OMITTED, _MISNAMED = 0.1, 0.03
"""Shares of the features that a caption passes over, or names as another picture would have them."""
_SWAYED = 0.3
"""How often somebody who sees something else than a caption says goes by the caption."""
_AGREED, _ANSWERED, _CAPTIONED, _CONTESTED = 0.9, 0.75, 0.65, 0.55
"""How sure somebody is who does not look: of what caption and answer say, one of them, or each otherwise."""
_DOUBTED = 0.7
"""How sure a judge is whom an argument contradicts on what decides."""
_LIKENESS = 0.6
_SAYS = ", and the definition says"
Examples = Sequence[tuple[str, Glimpse | None]]


def caption(glimpse: Glimpse | None, clauses: Sequence[ReadClause], question: str) -> dict[str, Any]:
    """Describe a picture in view of clauses: what they speak of, less what is passed over or misnamed."""
    if glimpse is None:
        return {"shows": CANNOT_SAY}
    told: dict[str, str] = {}
    wanted = features_said(clauses) or frozenset(FEATURES)
    for key in FEATURES:
        rng = seeded_rng("caption", glimpse.picture, key, question)
        value, draw = glimpse.view.values[key], rng.random()
        if key not in wanted or draw < _OMITTED:
            value = UNKNOWN_VALUE
        elif value != UNKNOWN_VALUE and draw > 1 - _MISNAMED:
            value = mistaken(key, value, rng.random(), rng.random())
        told[key] = value
    return {"shows": bird_described(told)}


def inquire(
    glimpse: Glimpse | None, clauses: Sequence[ReadClause], said: str, question: str
) -> dict[str, Any]:
    """Answer each clause as a question about a picture, with its caption at hand."""
    if glimpse is None:
        return {
            "answers": [{"clause": c.id, "evidence": CANNOT_SAY, "answer": "cannot_tell"} for c in clauses]
        }
    values = dict(glimpse.view.values)
    for key, stated in values_described(said).items():
        swayed = seeded_rng("swayed", glimpse.picture, key, question).random() < _SWAYED
        if values[key] == UNKNOWN_VALUE or swayed:
            values[key] = stated
    view = View(MappingProxyType(values), glimpse.view.certainty)
    return {
        "answers": [
            {
                "clause": clause.id,
                "evidence": "" if clause.condition is None else observed(view, features_of(clause.condition)),
                "answer": _word(None if clause.condition is None else holds(clause.condition, values)),
            }
            for clause in clauses
        ]
    }


def weigh(clauses: Sequence[ReadClause], said: str, answers: Mapping[str, str]) -> dict[str, Any]:
    """Say of each clause whether it holds, by a caption and answers alone; an answer wins over a caption.

    Args:
        clauses: What is asked.
        said: The caption.
        answers: Clause id → what was answered.
    """
    stated, findings = values_described(said), list[dict[str, Any]]()
    for clause in clauses:
        told = None if clause.condition is None else holds(clause.condition, stated)
        answer = {"yes": True, "no": False}.get(answers.get(clause.id, ""))
        sure = _AGREED if told is answer else _ANSWERED if told is None else _CONTESTED
        found, sure = (told, _CAPTIONED) if answer is None else (answer, sure)
        findings.append(
            {
                "clause": clause.id,
                "finding": _word(found),
                "confidence": 50 if found is None else percent(sure),
            }
        )
    return {"rationale": f"The description says: {said}", "findings": findings}


def argue(glimpse: Glimpse | None, side: str, clauses: Sequence[ReadClause]) -> dict[str, Any]:
    """Argue that a picture is in, or out, from the clauses that can be read so."""
    if glimpse is None:
        return {"argument": CANNOT_SAY, "concedes": False}
    values, wants_in = glimpse.view.values, side == "in"
    points: list[str] = []
    for clause in clauses:
        found = None if clause.condition is None else holds(clause.condition, values)
        speaks_for = None if found is None else found is not (clause.role == "negative")
        if clause.condition is None or speaks_for is not wants_in:
            continue
        points.append(
            f"{observed(glimpse.view, features_of(clause.condition))}{_SAYS}: {clause.text.rstrip('.')}"
        )
    concedes = not points and called(clauses, glimpse.view)[0] is (not wants_in)
    if not points:
        open_ones = "no clause speaks clearly against it" if wants_in else "no clause clearly covers it"
        points = [f"the picture shows {glimpse.seen[0].lower()}{glimpse.seen[1:].rstrip('.')}; {open_ones}"]
    return {"argument": f"It is {side}: " + "; ".join(points[:3]) + ".", "concedes": concedes}


def settle(
    glimpse: Glimpse | None,
    clauses: Sequence[ReadClause],
    arguments: Sequence[tuple[str, str]],
    examples: Examples = (),
) -> dict[str, Any]:
    """Decide by the clauses, or else by the example that is likest, or by what the arguments get right.

    Of each feature its own look counts once, and what arguments say of it as often; on a tie its own.

    Args:
        glimpse: What the picture is taken to show.
        clauses: The definition.
        arguments: What was argued so far, each with its side.
        examples: "in" or "out", and what a picture is taken to show that its owner labelled so.
    """
    if glimpse is None:
        return {"side": "cannot_tell", "confidence": 50, "rationale": CANNOT_SAY}
    view = _heard(glimpse.view, [text for _, text in arguments])
    verdict, sure = called(clauses, view)
    if verdict is None and (like := likest(view, examples)) is not None:
        verdict, sure = like == "in", _LIKENESS
    if verdict is None:
        shares = [(side, _share_right(text, glimpse.view)) for side, text in arguments]
        best = [max((n for each, n in shares if each == side), default=0.5) for side in ("in", "out")]
        lead = best[0] - best[1]
        if abs(lead) < 0.2:
            return {"side": "cannot_tell", "confidence": 50, "rationale": "The definition leaves it open."}
        verdict, sure = lead > 0, 0.5 + abs(lead) / 5
    told = [{**glimpse.view.values, **_claims(text)} for _, text in arguments]
    if any(called(clauses, View(each, view.certainty))[0] is (not verdict) for each in told):
        sure = min(sure, _DOUBTED)  # by what one of them says, it would be the other side
    return {
        "side": "in" if verdict else "out",
        "confidence": percent(sure),
        "rationale": f"I see {observed(view, features_said(clauses)) or glimpse.seen}.",
    }


def _heard(view: View, arguments: Sequence[str]) -> View:
    """A view with what arguments say of the picture taken in."""
    claims = [claim for text in arguments for claim in _claims(text).items()]
    values, certainty = dict(view.values), dict(view.certainty)
    for key in {key for key, _ in claims}:
        said = Counter(value for each, value in claims if each == key)
        said[values[key]] += 1 if values[key] != UNKNOWN_VALUE else 0
        best = max(said, key=lambda value: (said[value], value == view.values[key]))
        if best != values[key]:
            values[key], certainty[key] = best, _DOUBTED
    return View(MappingProxyType(values), MappingProxyType(certainty))


def _claims(argument: str) -> dict[str, str]:
    """What an argument says that the picture shows; not what it quotes of the definition."""
    found: dict[str, str] = {}
    for point in argument.split(";"):
        found |= values_described(point.partition(_SAYS)[0])
    return found


def _share_right(argument: str, view: View) -> float:
    """Share of what an argument says of the picture that is so."""
    understood = understand(argument)
    if understood is None:
        return 0.5
    said = [(found, negated) for found, negated in atoms(understood.condition)]
    right = sum(holds(found, view.values) is not negated for found, negated in said)
    return right / len(said)


def _word(found: bool | None) -> str:
    return "cannot_tell" if found is None else "yes" if found else "no"
