"""The pool of a prompt search: what was answered, written out as units of every class."""

from collections.abc import Sequence
from functools import cached_property

from pydantic import Field

from fieldmark.agents.shared.notes import Notebook
from fieldmark.prompts.differentiate_group import PROMPT_ID as DIFFERENTIATE_GROUP
from fieldmark.prompts.synonyms import PROMPT_ID as SYNONYMS
from fieldmark.records import Origin, Prompt, PromptBook, Record
from fieldmark.tools.books.descriptions import GivenTexts, Words
from fieldmark.tools.books.templates import fill_phrase
from fieldmark.tools.books.wording import class_text, descriptor_text
from fieldmark.tools.search.candidates import part_key

START = "start"
GIVEN = "given"
"""The word of units that stand as they were given: descriptions from files."""

KINDS = (("bare",), ("descriptor",), ("contrast",), ("descriptor", "contrast"))
"""What may be said of a class in a natural book."""


class Unit(Record):
    """A set of texts that goes into a class's prompts, or stays out, as one."""

    class_index: int
    synonym: str
    """Which word stands for the class: "name", "noun", "head", "synonym 1" and so on; "start" or "given" for
    texts taken as they are."""
    kind: str
    """What is said of it: "bare", "descriptor", "contrast", "reflected"; "start" or "given" as above."""
    word: str = ""
    """The word itself; empty for texts taken as they are."""
    descriptor: str = ""
    """The descriptor itself; empty where it is a bare word."""
    texts: tuple[str, ...]
    origin: Origin


class PromptPool(Record):
    """All units, class by class."""

    classes: tuple[str, ...]
    units: tuple[Unit, ...]
    start: tuple[int, ...]
    """The units of the book that the search starts from."""
    files: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """The units of each file of descriptions; one unit may stand in several."""
    alone: tuple[str, ...] = ()
    """Which words stand without descriptors."""

    @cached_property
    def slots(self) -> tuple[tuple[int, ...], ...]:
        """The units of each class."""
        slots: list[list[int]] = [[] for _ in self.classes]
        for place, unit in enumerate(self.units):
            slots[unit.class_index].append(place)
        return tuple(tuple(slot) for slot in slots)

    @cached_property
    def owners(self) -> tuple[int, ...]:
        """The class of each unit."""
        return tuple(unit.class_index for unit in self.units)

    @cached_property
    def keys(self) -> tuple[int, ...]:
        """Key of each unit, by what it says: see `part_key`."""
        return tuple(part_key("\x1f".join((self.classes[u.class_index], *u.texts))) for u in self.units)

    def kinds(self) -> dict[str, list[list[int]]]:
        """The natural choices of units: a word with descriptors of one or both kinds, a file, everything."""
        made: dict[str, list[list[int]]] = {}
        synonyms = dict.fromkeys(unit.synonym for unit in self.units if unit.synonym not in (START, GIVEN))
        for synonym in synonyms:
            for kinds in KINDS[:1] if synonym in self.alone else KINDS:
                name = f"{synonym} {'+'.join(kinds)}"
                made[name] = [
                    # Where a class has no such unit, its bare word stands in; without the word, its name.
                    [u for u in slot if self._is(u, synonym, kinds)]
                    or [u for u in slot if self._is(u, synonym, ("bare",))]
                    or [u for u in slot if self._is(u, "name", kinds)]
                    or [u for u in slot if self._is(u, "name", ("bare",))]
                    for slot in self.slots
                ]
        for file, units in self.files.items():
            own = set(units)
            made[file] = [
                [u for u in slot if u in own] or [u for u in slot if self._is(u, "name", ("bare",))]
                for slot in self.slots
            ]
        made["everything"] = [list(slot) for slot in self.slots]
        return made

    def _is(self, place: int, synonym: str, kinds: Sequence[str]) -> bool:
        unit = self.units[place]
        return unit.synonym == synonym and unit.kind in kinds

    def book(self, parts: Sequence[int], noun: str) -> PromptBook:
        """The prompt book of a candidate; the texts of a unit share its weight."""
        prompts = [
            Prompt(
                class_name=self.classes[unit.class_index],
                text=text,
                origin=unit.origin,
                weight=1.0 / len(unit.texts),
            )
            for unit in (self.units[part] for part in parts)
            for text in unit.texts
        ]
        return PromptBook(classes=self.classes, noun=noun, prompts=tuple(prompts), pooling="prototype")


def build_pool(
    classes: Sequence[str],
    *,
    notebook: Notebook,
    templates: Sequence[str],
    noun: str,
    book: PromptBook | None = None,
    given: GivenTexts | None = None,
    synonyms: int = 0,
    described_synonyms: int = 0,
) -> PromptPool:
    """Write the answers out as units: each word for a class, bare and with each descriptor, in all templates.

    Args:
        classes: The class names.
        notebook: Answers about each class and about groups.
        templates: The templates that were found best; each text is written in all of them.
        noun: The generic word.
        book: A book to start from; without one the search starts from the first general answers.
        given: Descriptions and other words for the classes; a description is a unit, to the letter.
        synonyms: So many of a class's other words stand for it; the first ones that are new.
        described_synonyms: So many of those are also written with every descriptor: each costs as many texts
            as the class's name.
    """
    given = given or GivenTexts()
    others = _other_words(notebook) | dict(given.synonyms)
    described: dict[str, list[Prompt]] = {}
    for prompt in given.prompts:
        described.setdefault(prompt.class_name, []).append(prompt)
    descriptors = _descriptors(notebook)
    first = _first_descriptors(notebook)
    units: list[Unit] = []
    place: dict[tuple[int, tuple[str, ...]], int] = {}
    start: list[int] = []
    files: dict[str, list[int]] = {}

    def put(unit: Unit) -> int:
        # The same texts are one unit, whatever their source.
        where = place.setdefault((unit.class_index, unit.texts), len(units))
        if where == len(units):
            units.append(unit)
        return where

    alone = tuple(f"synonym {number}" for number in range(described_synonyms + 1, synonyms + 1))
    for c, name in enumerate(classes):
        words = _words(name, noun, others.get(name, ()), most=synonyms)
        for synonym, (word, source) in words.items():
            texts = tuple(fill_phrase(template, word) for template in templates)
            put(Unit(class_index=c, synonym=synonym, word=word, kind="bare", texts=texts, origin=source))
            for descriptor, (kind, origin) in ({} if synonym in alone else descriptors.get(name, {})).items():
                put(
                    described_unit(c, (synonym, word), (kind, descriptor), templates=templates, origin=origin)
                )
        for prompt in described.get(name, ()):
            origin = prompt.origin
            unit = put(Unit(class_index=c, synonym=GIVEN, kind=GIVEN, texts=(prompt.text,), origin=origin))
            files.setdefault(origin.file or GIVEN, []).append(unit)
        for prompt in _start_prompts(name, first.get(name, {}), book):
            origin = prompt.origin
            said = "" if origin.kind in ("name", "template") else descriptors_in([prompt])[0]
            texts = (prompt.text,)
            start.append(
                put(
                    Unit(
                        class_index=c, synonym=START, kind=START, descriptor=said, texts=texts, origin=origin
                    )
                )
            )
    return PromptPool(
        classes=tuple(classes),
        units=tuple(units),
        start=tuple(sorted(set(start))),
        files={name: tuple(own) for name, own in files.items()},
        alone=alone,
    )


def described_unit(
    class_index: int,
    word: tuple[str, str],
    descriptor: tuple[str, str],
    *,
    templates: Sequence[str],
    origin: Origin,
) -> Unit:
    """A word with a descriptor, in all templates.

    Args:
        class_index: The class.
        word: Which word stands for it, and the word.
        descriptor: Its kind, and the descriptor.
        templates: What the text is written in.
        origin: Where the descriptor came from.
    """
    texts = tuple(fill_phrase(template, f"{word[1]}, which has {descriptor[1]}") for template in templates)
    return Unit(
        class_index=class_index,
        synonym=word[0],
        word=word[1],
        kind=descriptor[0],
        descriptor=descriptor[1],
        texts=texts,
        origin=origin,
    )


def start_book(classes: Sequence[str], notebook: Notebook, book: PromptBook | None, noun: str) -> PromptBook:
    """The book that the search starts from: the given one, or the first general answers."""
    first = _first_descriptors(notebook)
    prompts = [p for name in classes for p in _start_prompts(name, first.get(name, {}), book)]
    return PromptBook(classes=tuple(classes), noun=noun, prompts=tuple(prompts))


def _start_prompts(name: str, first: dict[str, Origin], book: PromptBook | None) -> list[Prompt]:
    if book is not None:
        given = [prompt for prompt in book.prompts if prompt.class_name == name]
    else:
        given = [
            Prompt(class_name=name, text=descriptor_text(name, descriptor), origin=origin)
            for descriptor, origin in first.items()
        ]
    return given or [Prompt(class_name=name, text=class_text(name), origin=Origin(kind="name"))]


def _words(name: str, noun: str, others: Words, *, most: int) -> dict[str, tuple[str, Origin]]:
    """What may stand for a class: its name, the noun, the last word of a name of several, and other words."""
    own = Origin(kind="name")
    plain = name.replace("_", " ")
    parts = plain.split()
    words = {"name": (plain, own), "noun": (noun, own)}
    if len(parts) > 1:
        words["head"] = (parts[-1], own)
    words = {key: (word, origin) for key, (word, origin) in words.items() if word.strip()}
    said = {word.casefold() for word, _ in words.values()}
    new: dict[str, tuple[str, Origin]] = {}
    for word, origin in others:
        if word.casefold() not in said:
            new.setdefault(word.casefold(), (word, origin))
    for number, other in enumerate(list(new.values())[:most], start=1):
        words[f"synonym {number}"] = other
    return words


def _other_words(notebook: Notebook) -> dict[str, Words]:
    """The words that were answered for each class, with where they came from."""
    found: dict[str, Words] = {}
    for note in notebook.notes:
        if note.spec.kind == "synonyms":
            origin = Origin(kind="name", question=SYNONYMS)
            found[note.spec.classes[0]] = tuple((word, origin) for word in note.words)
    return found


def _first_descriptors(notebook: Notebook) -> dict[str, dict[str, Origin]]:
    """The descriptors of the first general answer of each class."""
    found: dict[str, dict[str, Origin]] = {}
    for note in notebook.notes:
        if note.spec.kind == "describe" and note.spec.sample == 0 and note.descriptors:
            found[note.spec.classes[0]] = dict.fromkeys(note.descriptors, note.prompts[0].origin)
    return found


def _descriptors(notebook: Notebook) -> dict[str, dict[str, tuple[str, Origin]]]:
    """Every descriptor of every class with its kind; what set it apart from look-alikes counts as that."""
    found: dict[str, dict[str, tuple[str, Origin]]] = {}
    for note in notebook.notes:
        for vote in note.votes:
            origin = Origin(kind="differential", question=DIFFERENTIATE_GROUP, attribute=vote.attribute)
            found.setdefault(vote.class_name, {}).setdefault(vote.value, ("contrast", origin))
    for note in notebook.notes:
        for prompt, descriptor in zip(note.prompts, note.descriptors, strict=True):
            found.setdefault(prompt.class_name, {}).setdefault(descriptor, ("descriptor", prompt.origin))
    return found


def descriptors_in(prompts: Sequence[Prompt]) -> list[str]:
    """The descriptors behind prompts that were made with `descriptor_text`."""
    descriptors: list[str] = []
    for prompt in prompts:
        frame = descriptor_text(prompt.class_name, "\x00")
        before, after = frame.split("\x00")
        descriptors.append(prompt.text.removeprefix(before).removesuffix(after))
    return descriptors
