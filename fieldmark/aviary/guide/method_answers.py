"""What the scripted guide answers to the questions that published methods ask, from its beliefs."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from fieldmark.aviary.guide.answers import MOST_MARKS, general_keys
from fieldmark.aviary.guide.beliefs import Beliefs, Impression, plain_name, seeded_rng
from fieldmark.aviary.guide.words import keys_asked, wording
from fieldmark.aviary.world.attributes import HABITATS, KEYS, KIND_BY_NOUN, LIGHTS, NONE, NOUNS
from fieldmark.aviary.world.grammar import habitat_phrases, joined, light_phrases, with_article

MOST_SENTENCES = 10
MOST_SUBCLASSES = 10

TASK_QUESTIONS = (
    "What does the bird {class} look like in a photo?",
    "Which colours does the plumage of the bird {class} show?",
    "What do the head and the bill of the bird {class} look like?",
    "What do the wings and the tail of the bird {class} look like?",
    "What do the legs and the neck of the bird {class} look like?",
    "How would you caption a photo of the bird {class}?",
)
"""Asked where the classes are birds."""
OTHER_TASK_QUESTIONS = (
    "What does {class} look like in a photo?",
    "Which colours and shapes does {class} show?",
    "How would you caption a photo of {class}?",
)
"""Asked where they are anything else."""

# {a} stands for the name with its article, {name} for the bare name, {has} for the marks.
_SENTENCES = (
    "A photo of {a} shows a bird with {has}.",
    "A photo of {a}, which has {has}.",
    "An image of {a} with {has}.",
    "This is {a} with {has}.",
    "The {name} is a bird with {has}.",
    "The {name} has {has}.",
)
_FORMS = ("male {}", "female {}", "young {}", "{} in flight")
_TRIES = 60


class MethodAnswers:
    """Composes answers; each is a plain JSON value of the form that the question asks for.

    Mistakes are about marks: names, kinds and places are never wrong.
    """

    def __init__(self, beliefs: Beliefs) -> None:
        self._beliefs = beliefs
        self._settings = beliefs.settings

    def portray(self, class_name: str, asked: str, question: str) -> dict[str, Any]:
        """Answer a question about a species in up to ten sentences of one or two marks each.

        As with `describe`, the family comes first, and only now and then a mark that sets the species apart
        slips in: nobody said what it is to be compared with. A question that names parts is answered by the
        marks of these parts. One answer tells at most six marks, however many sentences it takes. A question
        for habitats gets that of the species' kind: the guide knows of no other, nor of ranges.
        """
        rng = seeded_rng("portray", question)
        bird = self._beliefs.of(class_name)
        kind = KIND_BY_NOUN.get(plain_name(class_name).rpartition(" ")[2])
        if kind is not None and "habitat" in asked:
            seen = habitat_phrases(kind.habitat)
            return {"sentences": [f"A photo of {with_article(class_name)} {place}." for place in seen]}
        keys = self._told(bird, asked.replace(class_name, " "), rng)
        sentences: dict[str, None] = {}
        for some in _ones_and_twos(keys, rng):
            marks = [self._mark(bird, key, question, rng) for key in some]
            sentences[_sentence(class_name, marks, rng)] = None
            if len(sentences) == MOST_SENTENCES:
                break
        return {"sentences": list(sentences)}

    def task_questions(self, classes: Sequence[str]) -> dict[str, Any]:
        """Name questions that bring out what photos of birds show, if any name is that of a bird."""
        asked = TASK_QUESTIONS if self._beliefs.any_bird(classes) else OTHER_TASK_QUESTIONS
        return {"task_questions": list(asked)}

    def subclasses(self, class_name: str, question: str) -> dict[str, Any]:
        """Name the kinds of a class: of a kind of bird the species known of it, of all birds the kinds.

        A species has no kinds, but for its sexes and ages, which look alike in this world. Of anything
        else no kinds are known: the class is named alone.
        """
        name = plain_name(class_name)
        if name in ("bird", "birds"):
            return {"subclasses": list(NOUNS[:MOST_SUBCLASSES])}
        noun = next((noun for noun in NOUNS if name in (noun, f"{noun}s", f"{noun}es")), None)
        if noun is not None and (known := self._beliefs.species_of(noun)):
            some = seeded_rng("subclasses", question).sample(known, min(len(known), MOST_SUBCLASSES))
            return {"subclasses": some}
        if noun is None and not self._beliefs.any_bird([class_name]):
            return {"subclasses": [class_name]}
        return {"subclasses": [form.replace("{}", class_name) for form in _FORMS]}

    def contexts(self) -> dict[str, Any]:
        """Name where birds are seen, and in which light."""
        stated = (
            ("background", {habitat: habitat_phrases(habitat) for habitat in HABITATS}),
            ("light", {light: light_phrases(light) for light in LIGHTS}),
        )
        return {
            "factors": [
                {
                    "factor": factor,
                    "values": [{"value": v, "phrases": list(phrases)} for v, phrases in values.items()],
                }
                for factor, values in stated
            ]
        }

    def family(self, classes: Sequence[str]) -> dict[str, Any]:
        """Sort names by their last word, as people do with names that they do not know.

        Left out are names whose last word is no kind of bird and is shared with no other.
        """
        families: dict[str, list[str]] = {}
        for name in classes:
            families.setdefault((plain_name(name).split() or [""])[-1], []).append(name)
        stated = {
            noun: members for noun, members in families.items() if noun in KIND_BY_NOUN or len(members) > 1
        }
        return {"families": [{"family": noun, "classes": members} for noun, members in stated.items()]}

    def aspects(self, classes: Sequence[str], most: int, question: str) -> dict[str, Any]:
        """Name values that split classes, the most even splits first, each with the classes that have it.

        A second value of an attribute comes after the first ones of all.
        """
        rng = seeded_rng("aspects", question)
        birds = [self._beliefs.of(name) for name in classes]
        splits: list[tuple[int, float, str, list[str]]] = []
        for key in KEYS:
            stated = {bird.name: self._beliefs.stated(bird, key, question) for bird in birds}
            common = Counter(value for value in stated.values() if value != NONE).most_common()
            for turn, (value, count) in enumerate(common):
                if count < len(birds):
                    held = [name for name, own in stated.items() if own == value]
                    uneven = abs(2 * count - len(birds)) + 0.5 * rng.random()
                    splits.append((turn, uneven, wording(key, value, rng, self._settings.other_words), held))
        splits.sort(key=lambda each: each[:2])
        return {
            "aspects": [
                {"statement": f"The bird has {words}.", "classes": held} for *_, words, held in splits[:most]
            ]
        }

    def _told(self, bird: Impression, asked: str, rng: random.Random) -> list[str]:
        """The attributes that an answer states, in their order."""
        keys = list(keys_asked(asked))
        if not keys:
            return general_keys(bird, rng, self._settings.distinguishing)
        rng.shuffle(keys)
        # Nobody describes what is not there, unless there is nothing else to say.
        there = [key for key in keys if bird.held[key] != NONE] or keys
        special = [key for key in there if key not in bird.typical]
        rare = {key for key in special if rng.random() < self._settings.distinguishing}
        stated = [key for key in there if key in bird.typical or key in rare]
        return (stated or special[:1])[:MOST_MARKS]

    def _mark(self, bird: Impression, key: str, question: str, rng: random.Random) -> str:
        return wording(key, self._beliefs.stated(bird, key, question), rng, self._settings.other_words)


def _ones_and_twos(keys: Sequence[str], rng: random.Random) -> Iterator[list[str]]:
    """First every key once, in order, by ones and twos; then, for a while, ones and twos at random."""
    place = 0
    while place < len(keys):
        count = rng.choice((1, 2))
        yield list(keys[place : place + count])
        place += count
    for _ in range(_TRIES):
        yield rng.sample(keys, min(len(keys), rng.choice((1, 2))))


def _sentence(name: str, marks: Sequence[str], rng: random.Random) -> str:
    """One sentence; what the name holds is never taken for a place in it."""
    before, _, after = rng.choice(_SENTENCES).partition("{has}")
    for place, words in (("{a}", with_article(name)), ("{name}", name)):
        if place in before:
            before = before.replace(place, words)
            break
    return before + joined(marks) + after
