"""Species of the aviary: names, look-alike families, the roster of known ones, and their JSON form."""

import hashlib
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fieldmark.aviary.world.attributes import (
    ATTRIBUTE_BY_KEY,
    FREE_KEYS,
    KEYS,
    KIND_BY_NOUN,
    NONE,
    NOUNS,
    clashes,
)
from fieldmark.errors import InputError

BOOK_SCHEMA = 1

TRAINING_SYLLABLES: tuple[str, ...] = (
    "ba", "cor", "del", "fen", "gar", "hal", "jun", "kel", "lor", "mar", "nes", "ol", "pra", "quil",
    "ros", "sel", "tor", "ul", "bri", "dun", "eth", "gri", "is", "mok", "ta", "shu", "os", "ran",
    "pel", "lin", "kir", "mon", "tal", "bes",
)  # fmt: skip
"""Syllables of names the model has seen; none holds a v, w, x, y or z."""

RESERVED_SYLLABLES: tuple[str, ...] = (
    "vey", "zan", "wim", "yor", "vash", "zeb", "wol", "yun", "vik", "zor", "wex", "yat", "vom", "zil",
    "wuth", "yem", "vern", "zul", "wab", "yips", "quaz", "trox", "dovi", "luz", "nyx", "rhev", "skaw",
    "tiv", "ozma", "plyn", "kewa", "huv",
)  # fmt: skip
"""Syllables of new names; each holds a v, w, x, y or z, so no training name can contain one."""

KNOWN_ROSTER_SIZE = 200

# Absent marks are drawn less often than their number of values suggests would be natural, so that a
# random bird shows most of the marks that a description can name.
_ABSENT_SHARE: Mapping[str, float] = MappingProxyType(
    {"crest": 0.45, "eye_ring": 0.33, "cap": 0.3, "collar": 0.35, "wing_bar": 0.5}
)
_SIZE_SHARES: Mapping[int, float] = MappingProxyType({3: 0.34, 4: 0.34, 5: 0.2, 6: 0.06, 7: 0.03, 8: 0.03})
_CHANGE_SHARES: Mapping[int, float] = MappingProxyType({1: 0.3, 2: 0.5, 3: 0.2})
_FAMILY_DISTANCE = 6


@dataclass(frozen=True, slots=True)
class Species:
    """One species and the truth about it."""

    name: str
    """`"<pseudo-word> <noun>"`, unique in a book."""
    noun: str
    """The kind of bird, one of `attributes.NOUNS`."""
    family: str
    """Identifier of its family of look-alikes, e.g. `"heron-2"`; `"known"` for known species."""
    marks: Mapping[str, str] = field(hash=False)
    """Value of every attribute, by key; read-only."""
    known: bool
    """Whether the bundled model has been trained with this name."""

    def __post_init__(self) -> None:
        """Check the marks and make them read-only."""
        if set(self.marks) != set(KEYS):
            raise InputError(f"Species {self.name!r} must have exactly the marks {', '.join(KEYS)}.")
        for key, value in self.marks.items():
            if value not in ATTRIBUTE_BY_KEY[key].values:
                raise InputError(f"Species {self.name!r}: {value!r} is no value of {key!r}.")
        ordered = {key: self.marks[key] for key in KEYS}
        object.__setattr__(self, "marks", MappingProxyType(ordered))


def random_marks(rng: random.Random, noun: str | None = None) -> dict[str, str]:
    """Draw the marks of a random bird.

    Args:
        rng: Random generator.
        noun: Kind of bird that fixes the build; None for a free mixture.

    Returns:
        Value of every attribute, by key; no mark is hidden by its neighbours.
    """
    marks: dict[str, str] = {}
    for key in KEYS:
        attribute = ATTRIBUTE_BY_KEY[key]
        absent = attribute.can_be_absent and rng.random() < _ABSENT_SHARE[key]
        marks[key] = NONE if absent else rng.choice(attribute.present_values)
    if rng.random() < 0.25:
        marks["wing"] = marks["body"]
    for key in clashes(marks):
        marks[key] = NONE
    if noun is not None:
        marks.update(KIND_BY_NOUN[noun].marks)
    return marks


def pseudo_word(rng: random.Random, syllables: tuple[str, ...]) -> str:
    """Make a word of two or three of the given syllables."""
    return "".join(rng.choice(syllables) for _ in range(rng.choice((2, 2, 3))))


def known_species() -> tuple[Species, ...]:
    """The fixed roster of species that the bundled model has been trained on by name.

    Returns:
        `KNOWN_ROSTER_SIZE` species, the same ones in every call and for every book.
    """
    rng = random.Random("fieldmark aviary known roster v1")
    roster: dict[str, Species] = {}
    while len(roster) < KNOWN_ROSTER_SIZE:
        noun = NOUNS[len(roster) % len(NOUNS)]
        name = f"{pseudo_word(rng, TRAINING_SYLLABLES)} {noun}"
        if name not in roster:
            roster[name] = Species(name, noun, "known", random_marks(rng, noun), known=True)
    return tuple(roster.values())


def differing(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[str, ...]:
    """Keys of the marks in which two birds differ, in table order."""
    return tuple(key for key in KEYS if first[key] != second[key])


def clearly_differing(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[str, ...]:
    """Keys in which two birds differ and both show the mark.

    An absence ("no cap") is harder to see than a difference between two things that are there.
    """
    return tuple(key for key in differing(first, second) if NONE not in (first[key], second[key]))


def species_book(seed: int, new: int = 80, known: int = 20) -> tuple[Species, ...]:
    """Make a book of species: families of new look-alikes, then some that the model knows by name.

    Families have 3 to 8 members of one noun. Every member shares at least 12 of the 16 marks with the
    family's base, and any two differ in at least one mark that both show.

    Args:
        seed: Decides everything about the new species and which known ones are taken.
        new: Number of new species (0, or at least 3).
        known: Number of species taken from `known_species()`.

    Returns:
        The species, families together, known ones last.

    Raises:
        InputError: If the numbers cannot be met.
    """
    if new < 0 or 0 < new < 3:
        raise InputError(f"A book has no new species or at least 3 (one family), not {new}.")
    if not 0 <= known <= KNOWN_ROSTER_SIZE:
        raise InputError(f"A book has between 0 and {KNOWN_ROSTER_SIZE} known species, not {known}.")
    if new > 4000:
        raise InputError(f"A book has at most 4000 new species, not {new}.")
    rng = random.Random(f"fieldmark aviary book {seed}")
    nouns = rng.sample(NOUNS, len(NOUNS))
    bases: dict[str, list[dict[str, str]]] = {noun: [] for noun in nouns}
    names: set[str] = set()
    book: list[Species] = []
    for index, size in enumerate(_family_sizes(rng, new)):
        noun = nouns[index % len(nouns)]
        base = _distant_base(rng, noun, bases[noun])
        bases[noun].append(base)
        family = f"{noun}-{len(bases[noun])}"
        for marks in _look_alikes(rng, base, size):
            name = _new_name(rng, noun, names)
            book.append(Species(name, noun, family, marks, known=False))
    return (*book, *rng.sample(known_species(), known))


def _family_sizes(rng: random.Random, total: int) -> list[int]:
    sizes: list[int] = []
    while (left := total - sum(sizes)) > 0:
        fitting = {size: w for size, w in _SIZE_SHARES.items() if left == size or left - size >= 3}
        sizes += rng.choices(list(fitting), list(fitting.values()))
    return sizes


def _distant_base(rng: random.Random, noun: str, others: list[dict[str, str]]) -> dict[str, str]:
    # Families of one noun should not run into each other; after many tries the distance is relaxed,
    # because a very large book has more families than the space has well separated places.
    wanted, tries = _FAMILY_DISTANCE, 0
    while True:
        marks = random_marks(rng, noun)
        if all(len(differing(marks, other)) >= wanted for other in others):
            return marks
        tries += 1
        if tries % 200 == 0 and wanted > 5:
            wanted -= 1


def _look_alikes(rng: random.Random, base: dict[str, str], size: int) -> list[dict[str, str]]:
    members = [base]
    while len(members) < size:
        marks = dict(base)
        changes = rng.choices(list(_CHANGE_SHARES), list(_CHANGE_SHARES.values()))[0]
        for key in rng.sample(FREE_KEYS, changes):
            marks[key] = _changed(rng, key, base[key])
        if not clashes(marks) and all(clearly_differing(marks, other) for other in members):
            members.append(marks)
    return members


def _changed(rng: random.Random, key: str, value: str) -> str:
    others = [v for v in ATTRIBUTE_BY_KEY[key].values if v != value]
    present = [v for v in others if v != NONE]
    return rng.choice(present if present and rng.random() < 0.8 else others)


def _new_name(rng: random.Random, noun: str, taken: set[str]) -> str:
    while True:
        word = pseudo_word(rng, RESERVED_SYLLABLES)
        if word not in taken:
            taken.add(word)
            return f"{word} {noun}"


def book_to_json(book: Iterable[Species]) -> str:
    """Write a book as canonical JSON (sorted keys, no spaces, ASCII)."""
    rows = [
        {"name": s.name, "noun": s.noun, "family": s.family, "known": s.known, "marks": dict(s.marks)}
        for s in book
    ]
    return json.dumps({"schema": BOOK_SCHEMA, "species": rows}, sort_keys=True, separators=(",", ":"))


def book_from_json(text: str) -> tuple[Species, ...]:
    """Read a book written by `book_to_json`.

    Raises:
        InputError: If the text is no book of this schema.
    """
    try:
        data = json.loads(text)
        if data["schema"] != BOOK_SCHEMA:
            raise InputError(f"This species book has schema {data['schema']!r}, not {BOOK_SCHEMA}.")
        return tuple(
            Species(row["name"], row["noun"], row["family"], row["marks"], known=bool(row["known"]))
            for row in data["species"]
        )
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"This is no species book ({error!r}).", hint="Make one with species_book(seed)."
        ) from error


def world_hash(book: Iterable[Species]) -> str:
    """SHA-256 (hex) of the book's canonical JSON: the identity of a world."""
    return hashlib.sha256(book_to_json(book).encode("ascii")).hexdigest()
