"""Joins the conditions of a sentence by its "and", "or", commas and negations."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from fieldmark.aviary.world.conditions import HABITAT, LIGHT, Condition, Is, Not, all_of, any_of

ElementKind = Literal[
    "is", "or", "and", "but", "comma", "not", "without", "except", "nor", "with", "any_of", "may"
]
_Join = Literal["or", "and", "apart", "top_or"]
_NEGATIONS = ("not", "without", "except", "nor")


@dataclass(frozen=True, slots=True)
class Element:
    """A condition, or a word that joins or negates."""

    kind: ElementKind | str
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    condition: Condition
    negation: int
    """0 if it is not negated, else the number of the negation that it falls under."""
    joined: _Join
    """How it is joined to what came before."""
    optional: bool = False


def tree_of(elements: Sequence[Element]) -> Condition | None:
    """Build the condition of one sentence; None if there is none in it."""
    said = _read(_with_commas_settled(elements))
    if not said:
        return None
    tops: list[list[_Said]] = [[]]
    for each in said:
        if each.joined == "top_or" and tops[-1]:
            tops.append([])
        tops[-1].append(each)
    built = [_all(top) for top in tops]
    found = [each for each in built if each is not None]
    return any_of(found) if found else None


def _all(said: Sequence[_Said]) -> Condition | None:
    """All of the groups that are joined by "or" inside."""
    groups: list[list[_Said]] = []
    for each in said:
        if groups and each.joined == "or":
            groups[-1].append(each)
        else:
            groups.append([each])
    parts: list[Condition] = []
    for group in groups:
        if all(each.optional for each in group):
            continue
        parts.append(any_of(_negated(group)))
    return all_of(_together(parts)) if parts else None


def _negated(group: Sequence[_Said]) -> list[Condition]:
    """The alternatives of a group; those under one negation are denied together."""
    found: list[Condition] = []
    for negation, said in groupby(group, key=lambda each: each.negation):
        inner = any_of([each.condition for each in said])
        found.append(Not(inner) if negation else inner)
    return found


def _together(parts: Sequence[Condition]) -> list[Condition]:
    """Read two places or colours as either: no bird is in the snow and on sand."""
    kept: list[Condition] = []
    for part in parts:
        for at, earlier in enumerate(kept):
            if not isinstance(part, Is) or not isinstance(earlier, Is):
                continue
            if part.key == earlier.key:
                both = part.values & earlier.values
                kept[at] = Is(part.key, both or part.values | earlier.values)
                break
        else:
            kept.append(part)
    return kept


def _read(elements: Sequence[Element]) -> list[_Said]:
    said: list[_Said] = []
    negation = count = 0
    wide = optional = False
    join: _Join = "apart"
    fresh = False
    for element in elements:
        kind = element.kind
        if kind in _NEGATIONS:
            count += 1
            # A second "not" on the same thing undoes the first: "not without a crest".
            negation = 0 if fresh and negation and kind != "nor" else count
            wide = kind in ("without", "except")
            fresh = True
            if kind == "nor":
                join = "and"
        elif kind in ("or", "top_or"):
            join = "top_or" if kind == "top_or" else "or"
            if join == "top_or":
                negation = 0
        elif kind in ("and", "but"):
            join = "and"
            optional = False
            if kind == "but" or not wide:
                negation = 0
        elif kind == "with":
            if not fresh and said:
                negation = 0
        elif kind == "may":
            optional = True
        elif element.condition is not None:
            if join == "apart" and negation and not fresh:
                negation = 0
            if join == "and" and negation and wide and not fresh:
                if isinstance(element.condition, Is) and element.condition.key in (HABITAT, LIGHT):
                    negation = 0  # without X and at night
                else:
                    join = "or"  # without X and Y: neither of them
            if (
                join == "or"
                and negation
                and not fresh
                and _is_narrower(element.condition, said[-1].condition)
            ):
                negation = 0  # "no cap or a red cap"
            said.append(_Said(element.condition, negation, join, optional))
            join, fresh = "apart", False
    if fresh and negation and said:  # "a cap is missing"
        last = said[-1]
        said[-1] = _Said(last.condition, 0 if last.negation else negation, last.joined, last.optional)
    return said


def _is_narrower(condition: Condition, than: Condition) -> bool:
    return (
        isinstance(condition, Is)
        and isinstance(than, Is)
        and condition.key == than.key
        and condition.values <= than.values
    )


def _with_commas_settled(elements: Sequence[Element]) -> list[Element]:
    """Replace every comma by the word that it stands for."""
    every_or = any(element.kind == "any_of" for element in elements)
    settled: list[Element] = []
    kept = [element for element in elements if element.kind != "any_of"]
    commas = sum(element.kind == "comma" for element in kept)
    for at, element in enumerate(kept):
        if element.kind == "comma":
            following = kept[at + 1].kind if at + 1 < len(kept) else ""
            if following in ("and", "but", "except", "comma"):
                continue
            if following == "or":
                if commas == 1 and not every_or:
                    settled.append(Element("top_or"))
                continue
            later = next((e.kind for e in kept[at + 1 :] if e.kind in ("or", "and", "but", "except")), "and")
            is_list = later == "or" and _is_list(kept, at)
            settled.append(Element("or" if every_or or is_list else "and"))
        elif element.kind == "or" and settled and settled[-1].kind == "top_or":
            continue
        else:
            settled.append(Element("or") if every_or and element.kind == "and" else element)
    return settled


def _is_list(elements: Sequence[Element], at: int) -> bool:
    """Whether between a comma and the next "or" stand only single conditions: "a crest, a cap or ...".

    A negation after the comma starts something new: "a red cap, no crest or collar".
    """
    for element in elements[at + 1 :]:
        if element.kind == "or":
            return True
        if element.kind in _NEGATIONS or element.kind in ("and", "but"):
            return False
    return False
