"""Reads and writes FuDD's pair files: sentences that distinguish two classes."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from fieldmark.errors import InputError
from fieldmark.records import Origin, Prompt, PromptBook
from fieldmark.tools.books.files import Count, check_text, clipped, kind_of, refuse

MOST_PAIRS = 1_000_000
"""Sentence pairs that are written at most: 200 classes with some fifty shared attributes."""
_KEY = re.compile(r"(0|[1-9][0-9]*)_(0|[1-9][0-9]*)", re.ASCII)
_ASKED = "fudd:"
"""An origin's question is "fudd:" and the rival: the question is the pair itself, whatever its numbers."""


def looks_like_pairs(value: Any) -> bool:
    """Whether a JSON value is a pair file, going by its first entry."""
    if not isinstance(value, dict) or not value:
        return False
    key, entry = next(iter(value.items()))
    return isinstance(entry, dict) and (_KEY.fullmatch(key) is not None or "prompt_pairs" in entry)


def prompts_of_pairs(value: Any, classes: Sequence[str], path: Path) -> tuple[list[Prompt], Count]:
    """The distinct sentences of each class in a pair file, as its authors' pooling keeps them.

    A sentence that a class has in several pairs, or twice in one, becomes one prompt. A class without any
    sentence gets the authors' default one. Sentences stay as written: the authors put them into sentence case
    (`str.capitalize`) once repeats are gone, which a lower-casing tokenizer such as CLIP's undoes.

    Source: Esfandiarpoor & Bach 2024, released code (`get_all_classes_prompts`).

    Args:
        value: The file's JSON value: `{"i_j": {"classes": [i, j], "prompt_pairs": [{"attr_type": text,
            "prompt_pair": [text of i, text of j]}]}}`, i < j, indices into `classes`.
        classes: The class names.
        path: Where it came from, for messages.

    Returns:
        The prompts, in the order of the file, whose origins name the attribute and the rival; and a count of
        what must be said: "fields", "pairs" (without a sentence), "repeats" and "bare" (classes with the
        default sentence). No prompt where the file has no sentence at all.

    Raises:
        InputError: The value has another shape, or the indices do not fit the class names.
    """
    if not isinstance(value, dict):
        refuse(path, f"holds {kind_of(value)}, not an object of pairs")
    prompts: dict[tuple[str, str], Prompt] = {}
    lost: Counter[str] = Counter()
    for key, entry in value.items():
        names = tuple(classes[index] for index in _indices(key, entry, len(classes), path))
        where = f"pair {clipped(key)!r}"
        differences = entry.get("prompt_pairs")
        if not isinstance(differences, list):
            refuse(path, f"has no list of prompt_pairs in {where}")
        lost["fields"] += len(entry.keys() - {"classes", "prompt_pairs"})
        lost["pairs"] += not differences
        for place, difference in enumerate(differences):
            attribute, sides = _difference(difference, f"prompt pair {place} of {where}", path)
            lost["fields"] += len(difference) - 2
            for name, rival, text in zip(names, reversed(names), sides, strict=True):
                origin = Origin(kind="differential", question=_ASKED + rival, attribute=attribute)
                lost["repeats"] += (name, text) in prompts
                prompts.setdefault((name, text), Prompt(class_name=name, text=text, origin=origin))
    told = {name for name, _ in prompts}
    bare = [name for name in classes if name not in told] if prompts else []
    lost["bare"] += len(bare)
    return [*prompts.values(), *map(_default, bare)], +lost


def pairs_of_book(book: PromptBook) -> tuple[dict[str, Any], Count]:
    """A book as a pair file.

    Prompts that name their rival are put together again. Of the others, those that speak of an attribute
    are set against each other wherever two classes differ in it (FuDD's question, answered from a field
    guide), unless the pair has sentences of its own. A sentence whose counterpart was a repeat, which import
    leaves out, is set against the rival's first one on the same attribute, else against its first.

    Args:
        book: The book.

    Returns:
        The file's JSON value, and a count of what it cannot hold: "prompts", "weights", "origins".

    Raises:
        InputError: It would have more than `MOST_PAIRS` sentence pairs.
    """
    index = {name: place for place, name in enumerate(book.classes)}
    asked: dict[tuple[int, int], tuple[list[_Said], list[_Said]]] = {}
    by_attribute: dict[int, dict[str, list[_Said]]] = defaultdict(lambda: defaultdict(list))
    for place, prompt in enumerate(book.prompts):
        own, said = index[prompt.class_name], _Said(place, prompt.origin.attribute, prompt.text)
        rival = index.get((prompt.origin.question or "").removeprefix(_ASKED))
        if (prompt.origin.question or "").startswith(_ASKED) and rival is not None and rival != own:
            asked.setdefault((min(own, rival), max(own, rival)), ([], []))[own > rival].append(said)
        elif said.attribute is not None:
            by_attribute[own][said.attribute].append(said)
    made: dict[str, Any] = {}
    used: dict[int, str] = {}
    written = 0
    for (first, second), matches in _all_pairs(asked, by_attribute, _first_said(book), len(book.classes)):
        made[f"{first}_{second}"] = {
            "classes": [first, second],
            "prompt_pairs": [
                {"attr_type": one.attribute or "", "prompt_pair": [one.text, other.text]}
                for one, other in matches
            ],
        }
        for one, other in matches:
            used.setdefault(one.place, book.classes[second])
            used.setdefault(other.place, book.classes[first])
        written += len(matches)
        if written > MOST_PAIRS:
            raise InputError(
                f"The book makes more than {MOST_PAIRS:,} sentence pairs.",
                hint="Export it as cupl, or fewer classes of it.",
            )
    return made, _lost(book, used)


@dataclass(frozen=True)
class _Said:
    """A prompt's place in its book, its attribute and its text."""

    place: int
    attribute: str | None
    text: str


def _all_pairs(
    asked: dict[tuple[int, int], tuple[list[_Said], list[_Said]]],
    by_attribute: dict[int, dict[str, list[_Said]]],
    firsts: dict[tuple[int, str | None], _Said],
    classes: int,
) -> Iterator[tuple[tuple[int, int], list[tuple[_Said, _Said]]]]:
    """Every pair of classes with its matched sentences: first those that were asked about, in their order."""
    for pair, (ones, others) in asked.items():
        if matches := _matched(pair, ones, others, firsts):
            yield pair, matches
    for first, second in combinations([c for c in range(classes) if c in by_attribute], 2):
        if (first, second) in asked:
            continue
        mine, theirs = by_attribute[first], by_attribute[second]
        shared = [attribute for attribute in mine if attribute in theirs]
        matches = [
            (one, other)
            for attribute in shared
            for one, other in zip(mine[attribute], theirs[attribute], strict=False)
            if one.text != other.text
        ]
        if matches:
            yield (first, second), matches


def _first_said(book: PromptBook) -> dict[tuple[int, str | None], _Said]:
    """The first sentence of each class on each attribute, and on any (None), of those that name a rival."""
    index = {name: place for place, name in enumerate(book.classes)}
    firsts: dict[tuple[int, str | None], _Said] = {}
    for place, prompt in enumerate(book.prompts):
        origin = prompt.origin
        if (origin.question or "").startswith(_ASKED):
            said = _Said(place, origin.attribute, prompt.text)
            for attribute in (origin.attribute, None):
                firsts.setdefault((index[prompt.class_name], attribute), said)
    return firsts


def _matched(
    pair: tuple[int, int],
    ones: list[_Said],
    others: list[_Said],
    firsts: dict[tuple[int, str | None], _Said],
) -> list[tuple[_Said, _Said]]:
    """Each sentence of one side with the other side's next one on the same attribute, in the book's order."""

    def first(side: int, attribute: str | None) -> list[_Said]:
        found = firsts.get((pair[side], attribute)) or firsts.get((pair[side], None))
        return [replace(found, attribute=attribute)] if found is not None else []

    waiting: dict[str | None, list[_Said]] = defaultdict(list)
    for other in reversed(others):
        waiting[other.attribute].append(other)
    made: list[tuple[_Said, _Said]] = []
    for one in ones:
        own = waiting[one.attribute]
        made += [(one, other) for other in ([own.pop()] if own else first(1, one.attribute))]
    left = (other for own in waiting.values() for other in own)
    made += [(one, other) for other in left for one in first(0, other.attribute)]
    return sorted(made, key=lambda match: min(match[0].place, match[1].place))


def _default(name: str) -> Prompt:
    """The authors' sentence for a class of which nothing is said."""
    text = f"a photo of a {name.replace('_', ' ')}."
    return Prompt(class_name=name, text=text, origin=Origin(kind="name"))


def _lost(book: PromptBook, used: dict[int, str]) -> Count:
    counted = Counter(prompt.class_name for prompt in book.prompts)
    # Import gives this one sentence again to a class that has no other.
    given = sum(
        counted[prompt.class_name] == 1 and prompt == _default(prompt.class_name) for prompt in book.prompts
    )
    lost: Counter[str] = Counter(prompts=len(book.prompts) - len(used) - given)
    for place, rival in used.items():
        prompt = book.prompts[place]
        again = Origin(kind="differential", question=_ASKED + rival, attribute=prompt.origin.attribute)
        lost["weights"] += prompt.weight != 1.0
        lost["origins"] += prompt.origin != again
    return +lost


def _indices(key: str, entry: Any, classes: int, path: Path) -> tuple[int, int]:
    """The two classes of a pair, as its key and its entry both say."""
    named = f"pair {clipped(key)!r}"
    match = _KEY.fullmatch(key)
    if match is None:
        refuse(path, f"has the key {clipped(key)!r}, which names no pair of classes", hint='Keys are "i_j".')
    if not isinstance(entry, dict):
        refuse(path, f"has {kind_of(entry)} for {named}, not an object")
    # Longer numbers than these name no class, and Python reads them slowly or not at all.
    first, second = (int(number) if len(number) < 10 else classes for number in match.groups())
    if not first < second:
        refuse(path, f"has {named}, whose first number is not the smaller one")
    if second >= classes:
        refuse(path, f"has {named}, but there are {classes:,} class names", hint="Give its own class names.")
    if entry.get("classes") != [first, second]:
        refuse(path, f"names other classes inside {named} than its key does")
    return first, second


def _difference(value: Any, where: str, path: Path) -> tuple[str, list[str]]:
    """One entry: its attribute and its two sentences."""
    if not isinstance(value, dict):
        refuse(path, f"has {kind_of(value)} as {where}, not an object")
    attribute, sides = value.get("attr_type"), value.get("prompt_pair")
    if not isinstance(attribute, str):
        refuse(path, f"has {kind_of(attribute)} as attr_type in {where}, not a text")
    if not isinstance(sides, list) or len(sides) != 2 or not all(isinstance(side, str) for side in sides):
        refuse(path, f"has no two texts as prompt_pair in {where}")
    for text in (attribute, *sides):
        check_text(text, path, where)
    return attribute, sides
