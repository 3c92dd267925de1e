"""What the scripted guide calls a group of pictures: by what is said of it, or by looking at some."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fieldmark.aviary.guide.beliefs import Beliefs
from fieldmark.aviary.guide.clauses import read_clause
from fieldmark.aviary.guide.sight import Glimpse
from fieldmark.aviary.world.attributes import KEYS, NONE
from fieldmark.aviary.world.conditions import Condition, Is, holds, probability
from fieldmark.aviary.world.grammar import phrase
from fieldmark.records.names import plain_name

CANNOT_TELL = "a picture in which nothing can be made out"
LEAST_LEAD = 0.03
"""How much better than the next species one must fit, as a share of all that is known of a group."""


def name_group(beliefs: Beliefs, data: Mapping[str, Any]) -> dict[str, Any]:
    """Name a group by captions near it, which may hold a name, or else by its marks."""
    captions, marks = _texts(data, "captions"), _texts(data, "marks")
    possible = _possible(beliefs, data)
    said = Counter(
        name for caption in captions for name in possible if plain_name(name) in plain_name(caption)
    )
    if said:
        return {"group_names": [name for name, _ in said.most_common(3)]}
    stated = [read_clause(text).condition for text in (*marks, *captions)]
    fits = {
        name: sum(1.0 for each in stated if each is not None and holds(each, beliefs.of(name).held))
        for name in possible
    }
    return {"group_names": _names(fits, sum(each is not None for each in stated), _mark(stated))}


def name_seen(
    beliefs: Beliefs, glimpses: Sequence[Glimpse | None], data: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe the pictures, and name the species that what they show fits best."""
    views = [each.view for each in glimpses if each is not None]
    fits: dict[str, float] = {}
    for name in _possible(beliefs, data):
        held = beliefs.of(name).held
        fits[name] = sum(probability(Is(k, frozenset({held[k]})), view) for view in views for k in KEYS)
    shown = [
        Is(key, frozenset({value}))
        for key in KEYS
        for value, count in Counter(view.values[key] for view in views).most_common(1)
        if 2 * count > len(views)
        and value not in (NONE, "plain", "medium")
        and key in ("cap", "collar", "belly")
    ]
    return {
        "photo_captions": [CANNOT_TELL if each is None else each.seen for each in glimpses],
        "group_names": _names(fits, len(views) * len(KEYS), _mark(shown)),
    }


def _names(fits: Mapping[str, float], most: int, mark: str) -> list[str]:
    """The species that fits best where it does so clearly; its kind and a mark; its kind."""
    order = sorted(fits, key=lambda name: -fits[name])
    if not order or not most or not fits[order[0]]:
        return ["bird"]
    lead = fits[order[0]] - (fits[order[1]] if len(order) > 1 else 0.0)
    kind = plain_name(order[0]).split()[-1]
    described = [f"{kind} with {mark}"] if mark else []
    return [*(order[:1] if lead >= LEAST_LEAD * most else []), *described, kind]


def _mark(stated: Sequence[Condition | None]) -> str:
    """The first stated mark that is there, in plain words."""
    for each in stated:
        if isinstance(each, Is) and each.key in KEYS and len(each.values) == 1:
            (value,) = each.values
            if value != NONE:
                return phrase(each.key, value)
    return ""


def _possible(beliefs: Beliefs, data: Mapping[str, Any]) -> list[str]:
    listed = {plain_name(name) for name in _texts(data, "listed")}
    return [name for name in beliefs.names if plain_name(name) not in listed]


def _texts(data: Mapping[str, Any], name: str) -> list[str]:
    values = data.get(name)
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
