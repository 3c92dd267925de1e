"""Puts conditions and birds into plain sentences: clauses, noun phrases and descriptions.

`fieldmark.aviary.language.understand` understands every sentence it makes.
"""

from collections.abc import Iterable, Mapping, Sequence

from fieldmark.aviary.world.attributes import KINDS, NONE
from fieldmark.aviary.world.conditions import (
    HABITAT,
    LIGHT,
    UNKNOWN_VALUE,
    VALUES,
    AllOf,
    AnyOf,
    Condition,
    Feels,
    Is,
    Not,
)
from fieldmark.aviary.world.grammar import joined, with_article

_NOUNS = {
    "body": "body", "wing": "wings", "belly": "belly", "bill": "bill", "bill_colour": "bill", "tail": "tail",
    "leg_colour": "legs", "leg_length": "legs", "neck": "neck", "eye_ring": "eye ring", "cap": "cap",
    "collar": "collar", "wing_bar": "wing bars", "crest": "crest", "pattern": "belly",
}  # fmt: skip
_ADJECTIVES = {
    "cone": "conical", "needle": "needle-like", "dagger": "dagger-like", "fan": "fan-shaped",
    "medium": "medium-sized",
}  # fmt: skip
_PLACES = {
    "water": "in the water", "forest": "in the forest", "meadow": "in a meadow", "sky": "against the sky",
    "snow": "in the snow", "desert": "in the desert",
}  # fmt: skip
_LIGHTS = {"day": "in daylight", "sunset": "at sunset", "night": "at night", "fog": "in fog"}
_PLURAL = frozenset({"wing", "leg_colour", "leg_length", "wing_bar"})
_ABSENT_CAN = frozenset({"crest", "cap", "collar", "eye_ring", "wing_bar"})


def values_of(key: str, values: Iterable[str]) -> list[str]:
    """Values in the order of the table."""
    wanted = set(values)
    return [value for value in VALUES[key] if value in wanted]


def value_words(key: str, values: Iterable[str]) -> str:
    """The adjectives or places for some values: "red or orange", "in the snow or in the desert"."""
    table = _PLACES if key == HABITAT else (_LIGHTS if key == LIGHT else _ADJECTIVES)
    return either([table.get(value, value) for value in values_of(key, values)])


def noun_phrase(found: Is) -> str:
    """What a bird has: "a red or orange cap", "no crest", "long legs".

    Args:
        found: A condition on a mark other than size; not on habitat or light.
    """
    key, values = found.key, set(found.values)
    noun = _NOUNS[key]
    if key in _ABSENT_CAN:
        there = set(VALUES[key]) - {NONE}
        if values == {NONE}:
            return f"no {noun}"
        if values >= there and len(values) == len(there):
            return f"white {noun}" if key in _PLURAL else with_article(noun)
        if NONE in values:  # "no cap or a red cap"
            return f"no {noun} or {noun_phrase(Is(key, frozenset(values - {NONE})))}"
    words = f"{value_words(key, values)} {noun}"
    return words if key in _PLURAL else with_article(words)


def birds_with(condition: Condition) -> str:
    """A short noun phrase for pictures of this sort: "birds with a red cap", "birds at night"."""
    match condition:
        case Is("size", values):
            return f"{value_words('size', values)} birds"
        case Is(key, values) if key in (HABITAT, LIGHT):
            return f"birds {value_words(key, values)}"
        case Is():
            if condition.key in _ABSENT_CAN and condition.values == {NONE}:
                return f"birds without {noun_phrase(Is(condition.key, _there(condition.key)))}"
            return f"birds with {noun_phrase(condition)}"
        case Not(Is(key, values)):
            return birds_with(Is(key, frozenset(VALUES[key]) - values))
        case Not(part):
            return f"birds other than {birds_with(part)}"
        case Feels(word, _):
            return f"birds that look {word}"
        case AllOf(parts):
            return _birds_with_all(parts) if parts else "birds"
        case AnyOf(parts):
            # What is denied comes last, so that nothing after it is taken to be denied too.
            known = [birds_with(part) for part in parts]
            return either(sorted(known, key=lambda text: " without " in text or " no " in text))


def clause_text(condition: Condition) -> str:
    """One sentence about what an image shows: "The bird has a red or orange cap."."""
    body = _predicate(condition)
    return f"The bird {body}."


def either(words: Sequence[str]) -> str:
    """Join by "or": "x", "x or y", "x, y or z"."""
    return joined(words).replace(" and ", " or ") if len(words) > 1 else "".join(words)


def bird_described(values: Mapping[str, str]) -> str:
    """Describe a bird in a sentence that carries every feature that could be made out.

    Args:
        values: Value of every feature; `UNKNOWN_VALUE` where it is not known.
    """
    known = {key: value for key, value in values.items() if value != UNKNOWN_VALUE}
    size = _ADJECTIVES.get(known["size"], known["size"]) + " " if "size" in known else ""
    noun = next((k.noun for k in KINDS if all(known.get(key) == v for key, v in k.marks.items())), "bird")
    parts = [_one("body", known), _one("wing", known), _two("pattern", "belly", "belly", known)]
    parts += [_two("bill_colour", "bill", "bill", known), _two("leg_length", "leg_colour", "legs", known)]
    parts += [_one("neck", known), _one("tail", known)]
    marks = sorted((k for k in ("cap", "crest", "collar", "eye_ring", "wing_bar") if k in known),
                   key=lambda key: known[key] == NONE)  # fmt: skip
    parts += [noun_phrase(Is(key, frozenset({known[key]}))) for key in marks]
    has = [part for part in parts if part]
    text = with_article(f"{size}{noun}") + (f" with {joined(has)}" if has else "")
    where = [_PLACES[known[HABITAT]]] if HABITAT in known else []
    where += [_LIGHTS[known[LIGHT]]] if LIGHT in known else []
    return text[0].upper() + text[1:] + (", " + " ".join(where) if where else "") + "."


def _predicate(condition: Condition) -> str:
    match condition:
        case Is("size", values):
            return f"is {value_words('size', values)}"
        case Is(key, values) if key in (HABITAT, LIGHT):
            return f"is seen {value_words(key, values)}"
        case Is():
            return f"has {noun_phrase(condition)}"
        case Not(Is(key, values)) if key in _ABSENT_CAN and values == _there(key):
            return f"has no {_NOUNS[key]}"
        case Not(Is(key, values)) if NONE in values:
            return _predicate(Is(key, frozenset(VALUES[key]) - values))
        case Not(Is("size", values)):
            return f"is not {value_words('size', values)}"
        case Not(Is(key, values)) if key in (HABITAT, LIGHT):
            return f"is not seen {value_words(key, values)}"
        case Not(part):
            found = _predicate(part)
            return "does not have " + found[4:] if found.startswith("has ") else f"is not one that {found}"
        case Feels(word, _):
            return f"looks {word}"
        case AllOf(()):
            return "is in the picture"
        case AllOf(parts):
            return joined([_predicate(part) for part in parts])
        case AnyOf(parts):
            return either([_predicate(part) for part in parts])


def _birds_with_all(parts: Sequence[Condition]) -> str:
    sizes = [part for part in parts if isinstance(part, Is) and part.key == "size"]
    places = [part for part in parts if isinstance(part, Is) and part.key in (HABITAT, LIGHT)]
    marks = [part for part in parts if isinstance(part, Is) and part not in sizes and part not in places]
    others = [part for part in parts if not isinstance(part, Is)]
    words = " ".join([*(value_words("size", part.values) for part in sizes), "birds"])
    has = [noun_phrase(part) for part in marks]
    has += [birds_with(part).removeprefix("birds with ").removeprefix("birds ") for part in others]
    words += f" with {joined(has)}" if has else ""
    return " ".join([words, *(value_words(part.key, part.values) for part in places)])


def _there(key: str) -> frozenset[str]:
    return frozenset(VALUES[key]) - {NONE}


def _one(key: str, known: Mapping[str, str]) -> str:
    return noun_phrase(Is(key, frozenset({known[key]}))) if key in known else ""


def _two(first: str, second: str, noun: str, known: Mapping[str, str]) -> str:
    words = [_ADJECTIVES.get(known[key], known[key]) for key in (first, second) if key in known]
    if not words:
        return ""
    text = " ".join([*words, noun])
    return text if noun == "legs" else with_article(text)
