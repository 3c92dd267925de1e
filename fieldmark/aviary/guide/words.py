"""How the scripted guide names attributes and understands names, and how it words values."""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY, ATTRIBUTES, KEYS
from fieldmark.aviary.world.grammar import phrase, value_phrases

# Other names than the table's own; the guide uses them now and then, as people do.
OTHER_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "body": ("body color", "plumage colour"),
    "wing": ("wing color", "colour of the wings"),
    "belly": ("belly color", "underparts colour", "breast colour"),
    "pattern": ("breast pattern", "underparts markings"),
    "bill": ("beak shape", "shape of the bill"),
    "bill_colour": ("beak colour", "beak color"),
    "crest": ("head crest", "crest shape"),
    "tail": ("tail length", "shape of the tail"),
    "leg_colour": ("leg color", "colour of the legs"),
    "leg_length": ("length of the legs",),
    "neck": ("length of the neck",),
    "eye_ring": ("eye-ring", "eye ring colour"),
    "cap": ("crown colour", "cap color"),
    "collar": ("neck band", "collar colour"),
    "wing_bar": ("wing-bars", "wing markings"),
    "size": ("body size", "overall size"),
})  # fmt: skip

_SAME_WORD: Mapping[str, str] = MappingProxyType({
    "color": "colour", "colors": "colour", "colours": "colour", "colouration": "colour",
    "coloration": "colour", "coloring": "colour", "colouring": "colour", "coloured": "colour",
    "colored": "colour", "hue": "colour", "tone": "colour",
    "beak": "bill", "beaks": "bill", "bills": "bill",
    "underparts": "belly", "underpart": "belly", "underside": "belly", "breast": "belly",
    "chest": "belly", "stomach": "belly", "abdomen": "belly",
    "plumage": "body", "feather": "body", "feathers": "body",
    "wings": "wing", "bars": "bar", "wingbar": "wingbar", "wingbars": "wingbar",
    "legs": "leg", "foot": "leg", "feet": "leg",
    "crown": "cap", "necklace": "collar", "neckband": "collar", "eyering": "ring", "eyes": "eye",
    "patterns": "pattern", "patterning": "pattern", "marking": "pattern", "markings": "pattern",
    "mark": "pattern", "marks": "pattern", "streaking": "pattern", "streaks": "pattern",
    "spots": "pattern", "spotting": "pattern", "barring": "pattern",
    "form": "shape", "type": "shape", "crested": "crest",
})  # fmt: skip
# The part that a question names → the marks that it asks for.
_ASKED: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "bill": ("bill", "bill_colour"),
    "leg": ("leg_length", "leg_colour"),
    "wing": ("wing", "wing_bar"),
    "tail": ("tail",),
    "neck": ("neck", "collar"),
    "head": ("crest", "cap", "eye_ring"),
    "crest": ("crest",),
    "cap": ("cap",),
    "eye": ("eye_ring",),
    "collar": ("collar",),
    "belly": ("belly", "pattern"),
    "body": ("body", "wing", "belly", "pattern"),
    "size": ("size",),
})  # fmt: skip
# Attribute key → phrase → the value it says.
_VALUES: Mapping[str, Mapping[str, str]] = MappingProxyType({
    a.key: {phrase: value for value in a.values for phrase in value_phrases(a.key, value)} for a in ATTRIBUTES
})  # fmt: skip
_EMPTY_WORDS = frozenset({
    "of", "the", "its", "their", "a", "an", "on", "in", "and", "or", "at", "with", "presence", "bird",
    "birds", "overall", "main", "general", "dominant", "visible", "around",
})  # fmt: skip


def name_of(key: str, rng: random.Random, other_names: float) -> str:
    """Name an attribute: by its own name, or now and then by another.

    Args:
        key: The attribute.
        rng: Decides.
        other_names: How often another name is used.
    """
    if rng.random() < other_names:
        return rng.choice(OTHER_NAMES[key])
    return ATTRIBUTE_BY_KEY[key].question_name


def key_named(name: str, values: Iterable[str] = ()) -> str | None:
    """Understand the name of an attribute.

    Args:
        name: What somebody calls it: "beak color", "Colour of the underparts".
        values: Values it was given, as phrases; they help where the name does not.

    Returns:
        The attribute's key; None if it is no attribute the guide knows.
    """
    found = _key_of_words(_words(name))
    if found is not None:
        return found
    understood = {key_of_phrase(value) for value in values}
    return understood.pop() if len(understood) == 1 else None


def key_of_phrase(text: str) -> str | None:
    """The attribute that a value's wording speaks of; None if it is nobody's wording."""
    found = understood(text)
    return None if found is None else found[0]


def understood(text: str) -> tuple[str, str] | None:
    """The attribute that a value's wording speaks of, and the value; None if it is nobody's wording."""
    return next(((key, value) for key in KEYS if (value := _value_of(key, text)) is not None), None)


def keys_asked(question: str) -> tuple[str, ...]:
    """The attributes of the parts that a question names; none where it asks in general.

    Args:
        question: A question about a bird, without the bird's name.
    """
    words = _words(question)
    named = {key for word, keys in _ASKED.items() if word in words for key in keys}
    if not named and "colour" in words:
        named = {"body", "wing", "belly"}
    return tuple(key for key in KEYS if key in named)


def wording(key: str, value: str, rng: random.Random, other_words: float) -> str:
    """Put a value into words: plainly, or now and then otherwise.

    Args:
        key: The attribute.
        value: One of its values.
        rng: Decides.
        other_words: How often other than the plain words are tried.
    """
    return phrase(key, value, rng if rng.random() < other_words else None)


def wording_seen(key: str, value: str, seen: Sequence[str]) -> str | None:
    """The first of the phrases seen that says this value, as it stands; None if there is none."""
    for text in seen:
        if _value_of(key, text) == value:
            return text
    return None


def _value_of(key: str, text: str) -> str | None:
    return _VALUES[key].get(" ".join(text.casefold().split()))


def _words(name: str) -> frozenset[str]:
    found = re.findall(r"[a-z]+", name.casefold())
    return frozenset(_SAME_WORD.get(word, word) for word in found) - _EMPTY_WORDS


def _key_of_words(words: frozenset[str]) -> str | None:
    """Decide by part, then by property; a property that a part does not have is not understood."""
    colour, pattern = "colour" in words, "pattern" in words
    shape = bool(words & {"shape", "length", "size"})
    if "crest" in words:
        return None if colour else "crest"
    if "collar" in words or ("neck" in words and words & {"band", "ring"}):
        return "collar"
    if "ring" in words:
        return "eye_ring"
    if "cap" in words:
        return "cap"
    if "wingbar" in words or {"wing", "bar"} <= words or ("wing" in words and pattern):
        return "wing_bar"
    if "wing" in words:
        return None if shape else "wing"
    if "bill" in words:
        return "bill_colour" if colour else "bill"
    if "leg" in words:
        return "leg_colour" if colour else "leg_length"
    if "tail" in words:
        return None if colour or pattern else "tail"
    if "neck" in words:
        return None if colour or pattern else "neck"
    if "belly" in words:
        return "pattern" if pattern else (None if shape else "belly")
    if "body" in words:
        return "size" if "size" in words else ("pattern" if pattern else (None if shape else "body"))
    return next((key for word, key in _ALONE if words == {word}), None)


_ALONE = (("size", "size"), ("colour", "body"), ("pattern", "pattern"))
