"""What the scripted guide answers to each of the questions, from its beliefs."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fieldmark.aviary.guide.beliefs import Beliefs, Impression, seeded_rng
from fieldmark.aviary.guide.words import key_named, name_of, understood, wording, wording_seen
from fieldmark.aviary.world.attributes import BUILD_KEYS, KEYS, KIND_BY_NOUN, NONE
from fieldmark.aviary.world.grammar import with_article
from fieldmark.records.names import plain_name

MOST_MARKS = 6
MOST_PAIR_ATTRIBUTES = 5
MOST_GROUP_ATTRIBUTES = 6
MOST_SYNONYMS = 6
UNCLEAR = "unclear"

_BY_VISIBILITY = (
    "body", "wing", "belly", "size", "tail", "pattern", "crest", "cap", "bill", "collar", "leg_length",
    "neck", "wing_bar", "bill_colour", "leg_colour", "eye_ring",
)  # fmt: skip
_RANK: Mapping[str, int] = {key: rank for rank, key in enumerate(_BY_VISIBILITY)}
_RANK_SPREAD = 3.0
# Said where nothing else is left to say: true of every bird, and of no use.
_EMPTY_PHRASES = (
    ("posture", "an upright posture"),
    ("feather texture", "smooth feathers"),
    ("facial expression", "an alert look"),
    ("outline", "a compact outline"),
)


class Answers:
    """Composes answers; each is a plain JSON value of the form that the question asks for."""

    def __init__(self, beliefs: Beliefs) -> None:
        self._beliefs = beliefs
        self._settings = beliefs.settings

    def describe(self, class_name: str, question: str) -> dict[str, Any]:
        """Describe a species in general, as language models do: the family first.

        Three or four marks of the build (bill, legs, neck, size), then marks shared with most of the
        family, at most six in all. Only now and then a mark that sets it apart slips in.
        """
        rng = seeded_rng("describe", question)
        bird = self._beliefs.of(class_name)
        chosen = general_keys(bird, rng, self._settings.distinguishing)
        return {"descriptors": [self._word(bird, key, question, rng) for key in chosen]}

    def differentiate(self, first: str, second: str, question: str) -> dict[str, Any]:
        """Set two species apart: up to five attributes in which they are held to differ."""
        rng = seeded_rng("differentiate", question)
        birds = (self._beliefs.of(first), self._beliefs.of(second))
        keys = self._ordered((key for key in KEYS if birds[0].held[key] != birds[1].held[key]), rng)
        rows: list[dict[str, Any]] = []
        for key in keys[:MOST_PAIR_ATTRIBUTES]:
            values = [self._beliefs.stated(bird, key, question) for bird in birds]
            if values[0] == values[1]:  # nobody writes down a difference that is none
                values = [bird.held[key] for bird in birds]
            words = [wording(key, value, rng, self._settings.other_words) for value in values]
            rows.append(_pair_row(self._name(key, rng), birds, words))
        # Where they are held to look alike, the same is said twice in other words.
        for key in rng.sample(KEYS, 2) if not rows else ():
            words = [wording(key, birds[0].held[key], rng, 1.0) for _ in birds]
            rows.append(_pair_row(self._name(key, rng), birds, words))
        return {"differences": rows}

    def differentiate_group(
        self, classes: Sequence[str], question: str, *, tried: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Split a group: up to six attributes in which members are held to differ, not those tried."""
        rng = seeded_rng("group", question)
        birds = [self._beliefs.of(name) for name in classes]
        barred = {key for name in tried if (key := key_named(name)) is not None}
        left = [key for key in KEYS if key not in barred]
        kinds = {key: Counter(bird.held[key] for bird in birds) for key in left}
        keys = self._ordered((key for key in left if len(kinds[key]) > 1), rng)
        keys.sort(key=lambda key: -_splits(kinds[key]))
        # Where nothing is held to differ, a model names some marks all the same.
        keys = keys[:MOST_GROUP_ATTRIBUTES] or rng.sample(left, min(2, len(left)))
        rows = [self._group_row(key, birds, question, rng) for key in keys]
        return {"differences": rows or [_empty_row(classes, tried, rng)]}

    def tabulate(
        self, class_name: str, attributes: Sequence[tuple[str, Sequence[str]]], question: str
    ) -> dict[str, Any]:
        """Fill in a row: the value of each named attribute, "unclear" where it is no known one.

        Args:
            class_name: The species.
            attributes: Name of each attribute, and the values other species were given for it.
            question: Names the question and its sampling seed.
        """
        rng = seeded_rng("tabulate", question)
        bird = self._beliefs.of(class_name)
        entries: list[dict[str, str]] = []
        for name, seen in attributes:
            key = key_named(name, seen)
            value = UNCLEAR
            if key is not None:
                stated = self._beliefs.stated(bird, key, question)
                value = wording_seen(key, stated, seen) or wording(
                    key, stated, rng, self._settings.other_words
                )
            entries.append({"attribute": name, "value": value})
        return {"entries": entries}

    def reflect(
        self, described: Mapping[str, Sequence[str]], pairs: Iterable[tuple[str, str]], question: str
    ) -> dict[str, Any]:
        """Edit the descriptions of confused species: up to six marks to add, and those that tell nothing.

        Added are marks in which a species is held to differ from one that it is confused with, and that
        are not among those shown, or are shown with another value than it is held to have. Dropped are
        marks held to be wrong, or the same for all that it is confused with.

        Args:
            described: Species → the descriptors it has now.
            pairs: Which species are confused.
            question: Names the question and its sampling seed.
        """
        rng = seeded_rng("reflect", question)
        rivals: dict[str, set[str]] = {name: set() for name in described}
        for first, second in pairs:
            if first != second and first in rivals and second in rivals:
                rivals[first].add(second)
                rivals[second].add(first)
        edits = [
            edit
            for name, others in rivals.items()
            if (edit := self._edit(name, described[name], sorted(others), question, rng)) is not None
        ]
        if not edits:
            edits = [
                {"class_name": name, "add": [phrase], "drop": []}
                for name, (_, phrase) in zip(described, rng.sample(_EMPTY_PHRASES, 2), strict=False)
            ]
        return {"edits": edits}

    def noun(self, classes: Sequence[str]) -> dict[str, Any]:
        """Name the generic word: "bird", if any name is that of a bird."""
        return {"noun": "bird" if self._beliefs.any_bird(classes) else "object"}

    def synonyms(self, class_name: str, question: str) -> dict[str, Any]:
        """Name a species otherwise: its kind first, then the kind with what is held of its looks."""
        rng = seeded_rng("synonyms", question)
        bird = self._beliefs.of(class_name)
        kind = (plain_name(class_name).split() or [""])[-1]
        noun = kind if kind in KIND_BY_NOUN else "bird"
        stated = {
            key: self._beliefs.stated(bird, key, question) for key in ("body", "belly", "size", "crest")
        }
        size = "medium-sized" if stated["size"] == "medium" else stated["size"]
        others = [
            f"{stated['body']} {noun}",
            f"{size} {noun}",
            f"{size} {stated['body']} {noun}",
            f"{stated['belly']}-bellied {noun}",
            f"{size} {stated['body']} bird",
        ]
        if stated["crest"] != NONE:
            others.append(f"crested {noun}")
        rng.shuffle(others)
        return {"synonyms": ([noun] if noun != "bird" else []) + others[: MOST_SYNONYMS - 1]}

    def domain_words(self, classes: Sequence[str]) -> dict[str, Any]:
        """Say what the pictures are: of birds, if any name is that of a bird."""
        birds = ["bird", "wild bird", "bird species", "wildlife photo"]
        return {"domain_words": birds if self._beliefs.any_bird(classes) else ["object"]}

    def _edit(
        self, name: str, descriptors: Sequence[str], rivals: Sequence[str], question: str, rng: random.Random
    ) -> dict[str, Any] | None:
        bird, others = self._beliefs.of(name), [self._beliefs.of(rival) for rival in rivals]
        apart = {key: sum(bird.held[key] != other.held[key] for other in others) for key in KEYS}
        said = {text: found for text in descriptors if (found := understood(text)) is not None}
        right = {key for key, value in said.values() if bird.held[key] == value}
        keys = self._ordered((key for key in KEYS if apart[key] and key not in right), rng)
        keys.sort(key=lambda key: -apart[key])
        drop = [
            text
            for text, (key, value) in said.items()
            if others and (bird.held[key] != value or not apart[key])
        ]
        add = [self._word(bird, key, question, rng) for key in keys[:MOST_MARKS]]
        return {"class_name": name, "add": add, "drop": drop} if add or drop else None

    def _group_row(
        self, key: str, birds: Sequence[Impression], question: str, rng: random.Random
    ) -> dict[str, Any]:
        words: dict[str, str] = {}
        values: list[dict[str, str]] = []
        for bird in birds:
            stated = self._beliefs.stated(bird, key, question)
            if stated not in words:  # who looks alike gets the same words
                words[stated] = wording(key, stated, rng, self._settings.other_words)
            values.append({"class_name": bird.name, "value": words[stated]})
        return {"attribute": self._name(key, rng), "values": values}

    def _word(self, bird: Impression, key: str, question: str, rng: random.Random) -> str:
        return wording(key, self._beliefs.stated(bird, key, question), rng, self._settings.other_words)

    def _name(self, key: str, rng: random.Random) -> str:
        return name_of(key, rng, self._settings.other_names)

    def _ordered(self, keys: Iterable[str], rng: random.Random) -> list[str]:
        """Most visible first, with some chance in it."""
        return sorted(keys, key=lambda key: _RANK[key] + rng.gauss(0.0, _RANK_SPREAD))


def general_keys(bird: Impression, rng: random.Random, distinguishing: float) -> list[str]:
    """The marks that a general description names: three or four of the build, at most six in all.

    Args:
        bird: What is held of the species.
        rng: Decides.
        distinguishing: How often a mark sets the species apart from its family.
    """
    build = rng.sample(BUILD_KEYS, rng.choice((3, 4)))
    free = [key for key in KEYS if key not in BUILD_KEYS]
    rng.shuffle(free)
    free.sort(key=lambda key: bird.held[key] == NONE)  # what is there before what is not
    usual = [key for key in free if key in bird.typical]
    special = [key for key in free if key not in bird.typical]
    chosen = list(build)
    while len(chosen) < MOST_MARKS and (usual or special):
        rare = special and (not usual or rng.random() < distinguishing)
        chosen.append((special if rare else usual).pop(0))
    return chosen


def _pair_row(name: str, birds: tuple[Impression, Impression], words: Sequence[str]) -> dict[str, Any]:
    captions = [
        f"A photo of {with_article(bird.name)}, which has {word}."
        for bird, word in zip(birds, words, strict=True)
    ]
    return {
        "attribute": name,
        "first_value": words[0],
        "second_value": words[1],
        "first_caption": captions[0],
        "second_caption": captions[1],
    }


def _splits(values: Counter[str]) -> int:
    """Number of pairs of the group that differ."""
    total = values.total()
    return (total * total - sum(count * count for count in values.values())) // 2


def _empty_row(classes: Sequence[str], tried: Sequence[str], rng: random.Random) -> dict[str, Any]:
    said = {plain_name(name) for name in tried}
    left = [pair for pair in _EMPTY_PHRASES if pair[0] not in said]
    name, phrase = rng.choice(left or [("overall impression", "a typical look")])
    return {"attribute": name, "values": [{"class_name": c, "value": phrase} for c in classes]}
