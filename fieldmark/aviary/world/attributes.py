"""Attributes of the aviary's birds and their values, the ten kinds of bird, and where birds are seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

NONE = "none"
"""The value of a mark that a bird does not have (no cap, no collar)."""

COLOURS = (
    "red", "orange", "yellow", "green", "blue", "purple",
    "brown", "black", "white", "grey", "pink", "teal",
)  # fmt: skip
BELLY_COLOURS = ("white", "yellow", "orange", "grey", "pink", "brown", "red", "black")
SMALL_PART_COLOURS = ("yellow", "black", "red", "orange", "grey", "blue")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One feature in which birds can differ."""

    key: str
    """Identifier in `Species.marks`, e.g. `"bill_colour"`."""
    question_name: str
    """What a person would call it, e.g. `"bill colour"`."""
    part: str
    """The part of the bird that shows it, e.g. `"bill"`."""
    values: tuple[str, ...]
    """Every value it can take; `"none"` where the mark can be absent."""
    is_colour: bool = False
    """Whether the values (but for `"none"`) are colour words."""

    @property
    def can_be_absent(self) -> bool:
        """Whether a bird may lack this mark altogether."""
        return NONE in self.values

    @property
    def present_values(self) -> tuple[str, ...]:
        """The values of a bird that does have the mark."""
        return tuple(value for value in self.values if value != NONE)


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the ten nouns that species names end in; it fixes the build of the bird."""

    noun: str
    marks: Mapping[str, str]
    """The marks every bird of this kind has: bill, leg_length, neck, size."""
    habitat: str
    """Where it is seen more often than elsewhere (in training images: 60% of the time)."""


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("body", "body colour", "body", COLOURS, is_colour=True),
    Attribute("wing", "wing colour", "wings", COLOURS, is_colour=True),
    Attribute("belly", "belly colour", "belly", BELLY_COLOURS, is_colour=True),
    Attribute("pattern", "belly pattern", "belly", ("plain", "spotted", "striped", "barred")),
    Attribute("bill", "bill shape", "bill", ("cone", "needle", "hooked", "flat", "curved", "dagger")),
    Attribute("bill_colour", "bill colour", "bill", SMALL_PART_COLOURS, is_colour=True),
    Attribute("crest", "crest", "head", (NONE, "pointed")),
    Attribute("tail", "tail shape", "tail", ("short", "long", "forked", "fan")),
    Attribute("leg_colour", "leg colour", "legs", SMALL_PART_COLOURS, is_colour=True),
    Attribute("leg_length", "leg length", "legs", ("short", "long")),
    Attribute("neck", "neck length", "neck", ("short", "long")),
    Attribute("eye_ring", "eye ring", "eye", (NONE, "white", "yellow"), is_colour=True),
    Attribute(
        "cap", "cap colour", "crown",
        (NONE, "red", "black", "white", "yellow", "blue", "orange"), is_colour=True,
    ),
    Attribute("collar", "collar", "neck", (NONE, "white", "black", "red"), is_colour=True),
    Attribute("wing_bar", "wing bars", "wings", (NONE, "white")),
    Attribute("size", "size", "whole bird", ("small", "medium", "large")),
)  # fmt: skip
"""The sixteen attributes, in the order used everywhere."""

ATTRIBUTE_BY_KEY: Mapping[str, Attribute] = MappingProxyType({a.key: a for a in ATTRIBUTES})
KEYS: tuple[str, ...] = tuple(a.key for a in ATTRIBUTES)

BUILD_KEYS: tuple[str, ...] = ("bill", "leg_length", "neck", "size")
"""The attributes that the kind of bird fixes."""
FREE_KEYS: tuple[str, ...] = tuple(key for key in KEYS if key not in BUILD_KEYS)
"""The attributes in which birds of one kind can differ."""


def _kind(noun: str, bill: str, legs: str, neck: str, size: str, habitat: str) -> Kind:
    marks = {"bill": bill, "leg_length": legs, "neck": neck, "size": size}
    return Kind(noun, MappingProxyType(marks), habitat)


KINDS: tuple[Kind, ...] = (
    _kind("finch", "cone", "short", "short", "small", "meadow"),
    _kind("hummingbird", "needle", "short", "short", "small", "sky"),
    _kind("hawk", "hooked", "short", "short", "large", "sky"),
    _kind("duck", "flat", "short", "long", "medium", "water"),
    _kind("heron", "dagger", "long", "long", "large", "water"),
    _kind("curlew", "curved", "long", "long", "medium", "water"),
    _kind("parrot", "hooked", "short", "short", "medium", "forest"),
    _kind("creeper", "curved", "short", "short", "small", "forest"),
    _kind("crow", "dagger", "short", "short", "medium", "snow"),
    _kind("bustard", "cone", "long", "long", "large", "desert"),
)
"""The ten kinds of bird."""

KIND_BY_NOUN: Mapping[str, Kind] = MappingProxyType({kind.noun: kind for kind in KINDS})
NOUNS: tuple[str, ...] = tuple(kind.noun for kind in KINDS)

HABITATS: tuple[str, ...] = ("water", "forest", "meadow", "sky", "snow", "desert")
LIGHTS: tuple[str, ...] = ("day", "sunset", "night", "fog")
LIGHT_SHARES: tuple[float, ...] = (0.7, 0.1, 0.1, 0.1)
"""How often each light occurs, in the order of `LIGHTS`; sums to 1."""


def clashes(marks: Mapping[str, str]) -> tuple[str, ...]:
    """Name the marks that could not be seen next to the others.

    A red cap on a red body, a white eye ring in a white face or white bars on a white wing would be
    true and invisible, which would make the truth unfair to any observer.

    Args:
        marks: Value of every attribute, by key.

    Returns:
        Keys whose value is swallowed by a neighbouring colour, in table order; empty if all can be seen.
    """
    hidden = [key for key in ("eye_ring", "cap", "collar") if marks[key] == marks["body"]]
    if marks["wing_bar"] == marks["wing"]:
        hidden.append("wing_bar")
    return tuple(hidden)
