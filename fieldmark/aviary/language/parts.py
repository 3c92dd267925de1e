"""Puts adjectives and parts together: "a red or orange cap", "long yellow legs", "large and brown"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fieldmark.aviary.language.words import COLOUR_KEYS, SHAPES, Item
from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY
from fieldmark.aviary.world.conditions import VALUES, Condition, Is, all_of, any_of, present

_ADJECTIVES = frozenset({"colour", "size", "shape", "own", "pattern"})
_ORDERED = {"size": ("small", "medium", "large")}


@dataclass(frozen=True, slots=True)
class Adjectives:
    """A run of adjectives: groups of them, joined by "or", "and" or commas.

    Attributes:
        groups: Each group is said of one thing at once: ("striped", "white").
        joiner: How the groups are joined.
        end: Where the run ends in the sentence.
    """

    groups: tuple[tuple[Item, ...], ...]
    joiner: Literal["or", "and"]
    end: int

    @classmethod
    def read(cls, items: Sequence[Item], start: int) -> "Adjectives":
        """Read the run of adjectives that starts here."""
        groups: list[list[Item]] = [[]]
        joiners: list[str] = []
        at = start
        bound = ""
        while at < len(items):
            item = items[at]
            if item.kind in ("at_least", "at_most"):
                bound = item.kind
                at += 1
            elif item.kind in _ADJECTIVES:
                groups[-1].append(_bounded(item, bound) if bound else item)
                bound = ""
                at += 1
            elif item.kind in ("or_more", "or_less") and groups[-1]:
                groups[-1][-1] = _bounded(groups[-1][-1], "at_least" if item.kind == "or_more" else "at_most")
                at += 1
            elif item.kind in ("or", "and", "comma", "range") and groups[-1]:
                ahead = at + 1
                while ahead < len(items) and items[ahead].kind in ("or", "and", "article"):
                    ahead += 1
                if ahead >= len(items) or items[ahead].kind not in _ADJECTIVES:
                    break
                kinds = {items[i].kind for i in range(at, ahead)}
                if "article" in kinds and not _is_same_thing(items, groups[-1], ahead):
                    break
                joiners.append(
                    "range" if item.kind == "range" else next((k for k in ("or", "and") if k in kinds), "")
                )
                groups.append([])
                at = ahead
            else:
                break
        told = "or" if "or" in joiners or "range" in joiners else "and"
        kept = [tuple(group) for group in groups if group]
        if "range" in joiners and len(kept) == 2 and len(kept[0]) == len(kept[1]) == 1:
            kept = [(_between(kept[0][0], kept[1][0]),)]
        return cls(tuple(kept), told, at)

    def divided(self) -> "tuple[Adjectives, Adjectives]":
        """All groups but the last one, and the last one."""
        first = Adjectives(self.groups[:-1], self.joiner, self.end)
        return first, Adjectives(self.groups[-1:], self.joiner, self.end)


def described(part: Item | None, run: Adjectives, *, about: str | None = None) -> Condition | None:
    """What a run of adjectives says of a part, or of the whole bird.

    Args:
        part: The part; None for the bird.
        run: The adjectives.
        about: The feature that is talked of, for the whole bird.

    Returns:
        The condition; None if it says nothing that can be seen.
    """
    said = [_said(part, group, about) for group in run.groups]
    said = [each for each in said if each]
    if not said:
        is_mark = part is not None and not part.weak and _can_be_absent(part.key)
        return present(part.key) if is_mark and part is not None else None
    keys = [key for each in said for key in each]
    alternatives = run.joiner == "or" and len(set(keys)) == len(keys) and len(said) > 1
    if alternatives:
        return any_of([_all(each) for each in said])
    together: dict[str, frozenset[str]] = {}
    for each in said:
        for key, values in each.items():
            earlier = together.get(key, values)
            # "Long and thin" narrows; "black and white" are two colours, and one of them will do.
            both = earlier & values if run.joiner == "and" else frozenset[str]()
            together[key] = both or earlier | values
    return _all(together)


def says_something(part: Item, run: Adjectives) -> bool:
    """Whether any of the adjectives can be said of this part."""
    weak = Item(part.kind, part.key, weak=True)
    return any(_said(weak, group, None) for group in run.groups)


def _said(part: Item | None, group: Sequence[Item], about: str | None) -> dict[str, frozenset[str]]:
    """Feature → values that one group of adjectives says."""
    name = part.key if part is not None else ""
    found: dict[str, frozenset[str]] = {}
    shapes = {item.word for item in group if item.kind == "shape"}
    for item in group:
        key = _key_of(item, name, about)
        if key:
            found[key] = item.values
    for words, key, values in _shapes_of(name, about):
        if shapes & words and key not in found:
            found[key] = frozenset(values)
            break
    if name and _can_be_absent(name) and name not in found and part is not None and not part.weak:
        found[name] = present(name).values
    return found


def _key_of(item: Item, part: str, about: str | None) -> str:
    """The feature that an adjective speaks of; empty where it says nothing of this part."""
    if item.kind == "own":
        return item.key
    if item.kind == "colour":
        if part:
            return COLOUR_KEYS.get(part, "")
        return about if about is not None and item.values & set(VALUES.get(about, ())) else "body"
    if item.kind == "size":
        return "size" if part in ("", "body") else ""
    if item.kind == "pattern":
        return "pattern" if part in ("", "body", "belly") else ""
    return ""


def _shapes_of(part: str, about: str | None) -> tuple[tuple[frozenset[str], str, tuple[str, ...]], ...]:
    if part:
        return SHAPES.get(part, ())
    return SHAPES.get({"leg_length": "legs"}.get(about or "", about or ""), ())


def _all(said: dict[str, frozenset[str]]) -> Condition:
    return all_of([Is(key, values) for key, values in said.items()])


def _can_be_absent(part: str) -> bool:
    return part in ATTRIBUTE_BY_KEY and ATTRIBUTE_BY_KEY[part].can_be_absent


def _is_same_thing(items: Sequence[Item], group: Sequence[Item], ahead: int) -> bool:
    """Whether "a red or a black ..." goes on about the same kind of property, with one part at the end."""
    kinds = {item.kind for item in group}
    at = ahead
    while at < len(items) and items[at].kind in _ADJECTIVES:
        if items[at].kind not in kinds:
            return False
        at += 1
    return True


def _bounded(item: Item, bound: str) -> Item:
    """All sizes from there on: "at least medium"."""
    order = _ORDERED.get(item.key)
    if order is None:
        return item
    places = [order.index(value) for value in item.values]
    kept = order[min(places) :] if bound == "at_least" else order[: max(places) + 1]
    return Item(item.kind, item.key, frozenset(kept), item.word)


def _between(first: Item, last: Item) -> Item:
    order = _ORDERED.get(first.key) if first.key == last.key else None
    if order is None:
        return Item(first.kind, first.key, first.values | last.values, first.word)
    places = [order.index(value) for value in first.values | last.values]
    return Item(first.kind, first.key, frozenset(order[min(places) : max(places) + 1]), first.word)
