"""A small made-up world: vectors in which every value is a direction, and answers that are true.

What a class looks like follows from its number: those of equal remainder by four are look-alikes with one
belly, told apart by every other part.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from fieldmark.records import Question
from fieldmark.testing import HashingEncoder, ScriptedModel, data_of
from fieldmark.testing.scripted_model import Reply
from fieldmark.tools.images.files import ImageFile

COLOURS = ("red", "blue", "green", "white")
SHOWN_BY = {"belly": (0,), "bill": (1,), "tail": (1, 2), "crest": (0, 1, 3), "wing": (1, 2, 4), "leg": (1, 3)}
"""For each part the base-4 digits of the class number whose sum turns the colour: 1,024 classes differ."""
PARTS = tuple(SHOWN_BY)
PHRASES = tuple(f"a {colour} {part}" for part in PARTS for colour in COLOURS)
NOISE = 8
WIDTH = len(PHRASES) + NOISE + 1
NAMES = (
    "finch", "heron", "gull", "wren", "crane", "robin", "stork", "swift", "owl",
    "tern", "lark", "ibis", "rail", "dove", "crow", "kite",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """Classes by name; the place of a name is its class number.

    Attributes:
        names: The class names.
        told: How many of the parts the general question (`describe`) tells; the first ones.
        splits: The most attributes that one answer about rivals names.
    """

    names: tuple[str, ...] = NAMES
    told: int = 1
    splits: int = 2

    @cached_property
    def numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def value(self, name: str, part: str) -> str:
        digits = [self.numbers[name] // 4**place % 4 for place in range(5)]
        turn = sum(digits[place] for place in SHOWN_BY[part]) % 4
        return f"a {COLOURS[turn]} {part}"

    def images(self, each: int = 2, *, of: Sequence[int] | None = None) -> tuple[ImageFile, ...]:
        """Images of the classes, class by class; there are no files."""
        numbers = range(len(self.names)) if of is None else of
        return tuple(self.image(number, copy) for number in numbers for copy in range(each))

    def image(self, number: int, copy: int = 0, *, labelled: bool = False) -> ImageFile:
        name = f"{number}-{copy}"
        label = self.names[number] if labelled else None
        return ImageFile(Path(f"/pictures/{name}.png"), hashlib.sha256(name.encode()).hexdigest(), label)

    def truth(self, image: ImageFile) -> str:
        return self.names[number_of(image)]

    def answer(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """A true answer to the question that carries these data."""
        if "first" in data:
            pair = (data["first"], data["second"])
            return {"differences": [self._pair(*pair, part) for part in self.differing(pair)]}
        if "attributes" in data:
            names = [attribute["name"] for attribute in data["attributes"]]
            return {
                "entries": [
                    {"attribute": name, "value": self.value(data["class"], part_of(name))} for name in names
                ]
            }
        if "confusions" in data:
            return {"edits": [edit for row in data["classes"] if (edit := self._edit(row, data))]}
        if "class" in data:
            return {"descriptors": [self.value(data["class"], part) for part in PARTS[: self.told]]}
        if "noun" not in data:
            return {"noun": "bird"}
        tried = [part_of(name) for name in data.get("tried", ())]
        return {
            "differences": [
                {
                    "attribute": f"{part} colour",
                    "values": [
                        {"class_name": name, "value": self.value(name, part)} for name in data["classes"]
                    ],
                }
                for part in self.differing(data["classes"], tried)
            ]
        }

    def named(self, prompt_id: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """A true answer to a question for words, contexts or families; nothing to any other."""
        name = data.get("class", "")
        match prompt_id:
            case "synonyms.v1":
                return {"synonyms": [f"bird with {self.value(name, 'belly')}", "flyer"]}
            case "domain_words.v1":
                return {"domain_words": ["bird", "animal"]}
            case "portray.v1":
                return {
                    "sentences": [f"A photo of a {name} with {self.value(name, part)}." for part in PARTS]
                }
            case "task_questions.v1":
                return {"task_questions": ["What colour is the {class}?", "What else?"]}
            case "subclasses.v1":
                return {"subclasses": [f"young {name}", name, f"Young  {name}"]}
            case "contexts.v1":
                values = [{"value": v, "phrases": [f"at {v}", f"at {v}"]} for v in ("dawn", "night")]
                return {"factors": [{"factor": "light", "values": values}]}
            case "family.v1":
                return {"families": [{"family": "first", "classes": [*data["classes"][:2], "penguin"]}]}
        return {}

    def differing(self, names: Sequence[str], tried: Sequence[str] = ()) -> list[str]:
        """The parts in which these classes differ, at most as many as an answer tells; one part at least."""
        parts = [part for part in PARTS if part not in tried]
        differ = [part for part in parts if len({self.value(name, part) for name in names}) > 1]
        return (differ or parts or [PARTS[0]])[: self.splits]

    def _edit(self, row: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any] | None:
        name, marks = row["class"], row["marks"]
        names = [each["class"] for each in data["classes"]]
        values = {part: self.value(name, part) for part in PARTS}
        apart = [part for part in PARTS if any(self.value(other, part) != values[part] for other in names)]
        add = [values[part] for part in apart if values[part] not in marks]
        drop = [mark for mark in marks if mark in [values[part] for part in PARTS if part not in apart]]
        return {"class_name": name, "add": add, "drop": drop} if add or drop else None

    def _pair(self, first: str, second: str, part: str) -> dict[str, str]:
        one, other = self.value(first, part), self.value(second, part)
        return {
            "attribute": f"{part} colour",
            "first_value": one,
            "second_value": other,
            "first_caption": f"A photo of a {first}, which has {one}.",
            "second_caption": f"A photo of a {second}, which has {other}.",
        }


def part_of(attribute: str) -> str:
    return attribute.split()[0]


def number_of(image: ImageFile) -> int:
    return int(image.path.stem.split("-")[0])


class FakeEncoder(HashingEncoder):
    """Vectors by hand: an image shows its class's values, a text says the values that it names.

    Args:
        world: Who shows what.
        gone: Names of image files that cannot be read any more; no other file is there, and all can be read.
        noise: Length of what is peculiar to each image, against 1 for each value.
    """

    identity = "0" * 64
    width = WIDTH

    def __init__(self, world: World, *, gone: Sequence[str] = (), noise: float = 0.3) -> None:
        super().__init__(width=WIDTH, noise=noise, name="made-up")
        self.world = world
        self.gone = frozenset(gone)

    def unreadable(self, image: ImageFile) -> str:
        return "vanished" if image.path.name in self.gone else ""

    def image_vector(self, image: ImageFile) -> torch.Tensor:
        name = self.world.truth(image)
        shown = {self.world.value(name, part) for part in PARTS}
        return self.direction(image.path.stem) * self.noise + says(phrase in shown for phrase in PHRASES)

    def text_vector(self, text: str) -> torch.Tensor:
        return self.direction(text) * 0.05 + says(phrase in text for phrase in PHRASES)


def says(phrases: Iterable[bool]) -> torch.Tensor:
    return torch.tensor([*map(float, phrases), *[0.0] * NOISE, 1.0])


Fault = Callable[[Question[Any]], Exception | None]


class FakeModel(ScriptedModel):
    """A language model that answers truly from a world, and remembers what it was asked.

    Args:
        world: What is true.
        fault: What to raise instead of answering, if anything.
        told: Answers other than the true ones: (question, true answer) → answer.
    """

    def __init__(
        self,
        world: World,
        fault: Fault | None = None,
        told: Callable[[Question[Any], dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(self._said)
        self.world, self.fault, self.told = world, fault, told

    def _said(self, question: Question[Any]) -> Reply:
        if self.fault is not None and (error := self.fault(question)) is not None:
            return error
        data = data_of(question)
        said = self.world.named(question.prompt_id, data) or self.world.answer(data)
        return said if self.told is None else self.told(question, said)
