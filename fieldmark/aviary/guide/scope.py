"""How the scripted guide helps an owner to put a concept into words: clauses, questions, search queries.

It works from text alone, like any reader of the name, the purpose and the answers. It knows no hidden rule.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.aviary.guide.beliefs import seeded_rng
from fieldmark.aviary.guide.clauses import ReadClause, Role
from fieldmark.aviary.language.clause_words import birds_with, clause_text, value_words
from fieldmark.aviary.language.understand import understand
from fieldmark.aviary.world.attributes import NONE
from fieldmark.aviary.world.conditions import (
    HABITAT,
    LIGHT,
    VALUES,
    AllOf,
    AnyOf,
    Condition,
    Feels,
    Is,
    Not,
    all_of,
    any_of,
    features_of,
    present,
)

MOST_CLAUSES = 8
MOST_QUESTIONS = 8
ALWAYS, SOME, NEVER, EITHER = (
    "always needed", "only some of them count", "never", "it does not matter",
)  # fmt: skip
OPTIONS = (ALWAYS, SOME, NEVER, EITHER)
"""The answers that every question offers."""
_LEAVES_OUT = 0.2
"""How often an association does not come to mind."""
_ONE_TOO_MANY = 0.2
# What often matters, whatever the concept is, the likeliest first.
_OFTEN: tuple[Is, ...] = (
    Is(LIGHT, frozenset({"night"})), Is(LIGHT, frozenset({"fog"})), present("cap"), present("crest"),
    Is("size", frozenset({"small"})), Is(HABITAT, frozenset({"water"})), Is(HABITAT, frozenset({"snow"})),
    Is("bill", frozenset({"hooked"})), present("collar"), Is("leg_length", frozenset({"long"})),
    Is("pattern", frozenset({"striped", "barred", "spotted"})), Is("tail", frozenset({"forked"})),
)  # fmt: skip
_MEANT: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("either", re.compile(r"\b(?:not matter|no matter|doesn't matter|irrelevant|don't care|either way)\b")),
    ("never", re.compile(r"\b(?:never|must not|may not|rule[sd] .{0,12}out|excluded?|not allowed)\b|^no\b")),
    ("some", re.compile(r"\b(?:some|sometimes|depends|partly|not all|can count|may)\b")),
    ("always", re.compile(r"\b(?:always|must|needed|required|every one|only if|has to)\b|^(?:yes|only)\b")),
)  # fmt: skip
_ANY_BIRD = "The picture shows a bird."
"""The clause of a concept of which nothing is understood: true of every picture here."""
_COUNTS_TOO = re.compile(r"[^;.]*\b(?:counts?|fine|ok|okay|good|allowed|also|too)\b[^;.]*")


@dataclass(frozen=True, slots=True)
class _Clause:
    role: Role
    condition: Condition | None
    text: str

    @property
    def row(self) -> dict[str, str]:
        return {"role": self.role, "text": self.text}


def scope(
    concept: str, purpose: str, clauses: Sequence[ReadClause], asked: Sequence[tuple[str, str]], question: str
) -> dict[str, Any]:
    """Draft or revise the clauses of a concept, and ask what is still open.

    Args:
        concept: Its name.
        purpose: What its owner says of it.
        clauses: The definition so far; none to draft one.
        asked: Questions so far with the owner's answers.
        question: Names the question and its sampling seed.
    """
    found = [_Clause(c.role, c.condition, c.text) for c in clauses] or _draft(concept, purpose, question)
    for put, answer in asked:
        found = _revised(found, put, answer)
    if len(found) > 1:  # a placeholder says nothing once there is something to say
        found = [c for c in found if c.text != _ANY_BIRD]
    kept = list({(c.role, c.text): c for c in found}.values())[:MOST_CLAUSES]
    kept = kept or [_Clause("necessary", AllOf(()), _ANY_BIRD)]
    return {"clauses": [c.row for c in kept], "questions": _questions(kept, asked, concept, purpose)}


def queries(clauses: Sequence[ReadClause], concept: str, question: str) -> dict[str, Any]:
    """Captions of images that belong, and of near misses that differ in one thing."""
    rng = seeded_rng("queries", question)
    needed = [p for c in clauses if c.role == "necessary" and c.condition for p in _parts(c.condition)]
    needed = [part for part in needed if isinstance(part, Is | AnyOf)]
    ways = [c.condition for c in clauses if c.role == "positive" and c.condition is not None]
    barred = [c.condition for c in clauses if c.role == "negative" and c.condition is not None]
    positive: list[str] = []
    for _ in range(3):
        chosen = [[way] for way in ways] or [list[Condition]()]
        positive += [_caption([*needed, *way], rng.random) for way in chosen]
    near: list[str] = [_caption([*needed, each], rng.random) for each in barred]
    for place, part in enumerate(needed):
        if isinstance(part, Is) and (others := _others(part)):
            broken = Is(part.key, frozenset({others[int(rng.random() * len(others))]}))
            near.append(_caption([*needed[:place], broken, *needed[place + 1 :]], rng.random))
    turned = [Is(w.key, frozenset(_others(w)[:1])) for w in ways if isinstance(w, Is) and _others(w)]
    near += [_caption([*needed, each], rng.random) for each in turned]
    plain = [f"a photo of a bird, {concept.strip()}"[:200]]
    return {
        "positive": list(dict.fromkeys(positive if needed or ways else plain))[:8],
        "near_miss": list(dict.fromkeys(near or ["a photo of a bird"]))[:8],
    }


def _draft(concept: str, purpose: str, question: str) -> list[_Clause]:
    """Clauses from name and purpose, as a reader would put them."""
    rng = seeded_rng("draft", question)
    found: list[_Clause] = []
    for text in (concept, *re.split(r"(?<=[.;!?])\s+", purpose)):
        understood = understand(text)
        if understood is None:
            continue
        for role, condition in _clauses_in(understood.condition):
            if not isinstance(condition, Feels):
                found.append(_clause(role, condition))
                continue
            for place, meaning in enumerate(_parts(condition.part)):
                # The first association always comes to mind; the further ones do not always.
                if place == 0 or rng.random() >= _LEAVES_OUT:
                    found.append(_clause(role, meaning))
    found = _merged(found)
    if found and rng.random() < _ONE_TOO_MANY:
        extra = _OFTEN[int(rng.random() * len(_OFTEN))]
        if extra.key not in _said(found):
            found.append(_clause("necessary", Is(extra.key, frozenset(VALUES[extra.key]) - extra.values)))
    return found


def _clauses_in(condition: Condition) -> Iterator[tuple[Role, Condition]]:
    """Take a sentence's meaning apart into clauses."""
    for part in condition.parts if isinstance(condition, AllOf) else (condition,):
        match part:
            case Not(AnyOf(parts)):
                for each in parts:
                    yield "negative", each
            case Not(inner):
                yield "negative", inner
            case AnyOf(parts) if not isinstance(condition, AllOf):
                for each in parts:
                    yield "positive", each
            case AllOf():
                yield from _clauses_in(part)
            case _:
                yield "necessary", part


def _merged(clauses: Sequence[_Clause]) -> list[_Clause]:
    """Clauses of one role on one feature become one: what is said twice, or in two parts."""
    merged: list[_Clause] = []
    for clause in clauses:
        for place, other in enumerate(merged):
            one, two = clause.condition, other.condition
            if (
                isinstance(one, Is)
                and isinstance(two, Is)
                and one.key == two.key
                and clause.role == other.role
            ):
                narrow = one.values & two.values if clause.role == "necessary" else frozenset[str]()
                merged[place] = _clause(clause.role, Is(one.key, narrow or one.values | two.values))
                break
        else:
            merged.append(clause)
    return merged


def _revised(clauses: list[_Clause], put: str, answer: str) -> list[_Clause]:
    """Clauses with one answer taken in; those that it does not touch stay word for word."""
    understood = understand(put)
    subject = understood.condition if understood is not None else None
    if subject is None or not answer.strip():
        return clauses
    key = next(iter(features_of(subject))) if len(features_of(subject)) == 1 else None
    head, _, rest = answer.partition(";")
    meant = next((name for name, words in _MEANT if words.search(head.strip().casefold())), None)
    more = _more_values(rest or (head if meant is None else ""), key)
    if isinstance(subject, Is) and isinstance(more, Is) and more.key == subject.key:
        wider: Condition = Is(subject.key, subject.values | more.values)
    else:
        wider = subject if more is None else any_of([subject, more])
    touched = [c for c in clauses if c.condition is not None and _is_about(c.condition, subject, key)]
    others = [c for c in clauses if c not in touched]
    own = understand(head, about=key) if meant in ("always", "never") else None
    match meant if own is None else None:
        case "either":
            return others
        case "never":
            barred = [c for c in touched if c.role == "negative" and c.condition != subject]
            return _merged([*others, *barred, _clause("negative", subject)])
        case "always":
            return [*others, _kept("necessary", wider, touched)]
        case "some" if not touched or all(c.role == "negative" for c in touched):
            return others  # no exception without exceptions, and nothing that was thought of before
        case "some":
            # One of several things that count: it need not hold, but speaks for the image.
            already = [c for c in touched if c.role == "positive"]
            held = [c.condition for c in already if isinstance(c.condition, Is)]
            if isinstance(wider, Is) and any(one.values >= wider.values for one in held):
                return clauses
            return _merged([*others, *already, _kept("positive", wider, touched)])
        case _:
            said = understand(answer, about=key)
            if said is None:
                return clauses
            named = features_of(said.condition)
            rest_of = [c for c in clauses if c.condition is None or not features_of(c.condition) & named]
            return _merged([*rest_of, *(_clause(role, each) for role, each in _clauses_in(said.condition))])


def _more_values(text: str, key: str | None) -> Condition | None:
    """What an owner adds unasked: "an orange cap or a yellow cap counts too"."""
    found = _COUNTS_TOO.search(text.casefold())
    understood = understand(found[0], about=key) if found else None
    return understood.condition if understood is not None else None


def _is_about(condition: Condition, subject: Condition, key: str | None) -> bool:
    """Whether a clause is about what was asked: the same feature, and not other values of it."""
    if key is None:
        return condition == subject
    if features_of(condition) != frozenset({key}):
        return False
    inner = condition.part if isinstance(condition, Not) else condition
    return not isinstance(inner, Is) or not isinstance(subject, Is) or bool(inner.values & subject.values)


def _kept(role: Role, condition: Condition, old: Sequence[_Clause]) -> _Clause:
    """The clause, in the words it had where it was there before."""
    same = next((c for c in old if c.condition == condition and c.role == role), None)
    return same or _clause(role, condition)


def _questions(
    clauses: Sequence[_Clause], asked: Sequence[tuple[str, str]], concept: str, purpose: str
) -> list[dict[str, Any]]:
    put = {" ".join(text.casefold().split()) for text, _ in asked}
    understood = [understand(text) for text, _ in asked]
    settled = frozenset[str]().union(*(features_of(u.condition) for u in understood if u is not None))
    wanted: list[tuple[str, Condition]] = []
    for clause in clauses:
        inner = clause.condition.part if isinstance(clause.condition, Not) else clause.condition
        if inner is None or isinstance(inner, Feels):
            continue
        form = "Does it matter if the bird" if clause.role == "negative" else "Must the bird"
        wanted.append((form, inner))
    thought_of = understand(f"{concept}. {purpose}")
    meant = _parts(thought_of.condition) if thought_of is not None else []
    known = _said(clauses) | settled
    wanted += [("Must the bird", each) for each in meant if isinstance(each, Is) and each.key not in known]
    wanted += [("Does it matter if the bird", often) for often in _OFTEN if often.key not in known]
    rows: dict[str, dict[str, Any]] = {}
    for form, condition in wanted:
        text = f"{form} {_to_have(condition, must=form.startswith('Must'))}?"
        if " ".join(text.casefold().split()) not in put and len(text) <= 290:
            about = birds_with(condition)[:120]
            rows.setdefault(text, {"question": text, "about": about, "options": list(OPTIONS)})
    return list(rows.values())[:MOST_QUESTIONS]


def _to_have(condition: Condition, *, must: bool) -> str:
    """The rest of a question: "have a red cap" after "must the bird", "has a red cap" otherwise."""
    words = clause_text(condition).removeprefix("The bird ").rstrip(".")
    if not must:
        return words
    words = re.sub(r"\bhas\b", "have", words)
    words = re.sub(r"\bis\b", "be", words)
    return re.sub(r"\blooks\b", "look", words)


def _caption(parts: Sequence[Condition], draw: Callable[[], float]) -> str:
    """A caption of one bird that meets all of it, naming what is there rather than what is missing."""
    chosen: dict[str, str] = {}
    for part in parts:
        for found in _parts(
            part if not isinstance(part, AnyOf) else part.parts[int(draw() * len(part.parts))]
        ):
            if isinstance(found, Is) and found.key not in chosen:
                there = sorted(found.values - {NONE}) or [NONE]
                chosen[found.key] = there[int(draw() * len(there))]
    size = chosen.pop("size", "")
    places = [value_words(key, (chosen.pop(key),)) for key in (HABITAT, LIGHT) if key in chosen]
    shown = [Is(key, frozenset({value})) for key, value in chosen.items() if value != NONE]
    birds = birds_with(all_of([*shown])) if shown else "birds"
    noun = " ".join(word for word in (value_words("size", (size,)) if size else "", "bird") if word)
    return " ".join([f"a photo of a {noun}{birds.removeprefix('birds')}", *places])


def _parts(condition: Condition) -> list[Condition]:
    """The parts that must all hold, vague words opened up."""
    if isinstance(condition, Feels):
        return _parts(condition.part)
    if isinstance(condition, AllOf):
        return [inner for part in condition.parts for inner in _parts(part)]
    return [condition]


def _others(found: Is) -> list[str]:
    return [value for value in VALUES[found.key] if value not in found.values and value != NONE]


def _said(clauses: Sequence[_Clause]) -> frozenset[str]:
    keys = [features_of(c.condition) for c in clauses if c.condition is not None]
    return frozenset[str]().union(*keys)


def _clause(role: Role, condition: Condition) -> _Clause:
    return _Clause(role, condition, clause_text(condition))
