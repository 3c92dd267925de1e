"""Chooses the images a report shows, and lays out what is said of each.

The choice is by file hash, never by how good an example is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Protocol

from markupsafe import Markup

from fieldmark.evals.report import figures
from fieldmark.evals.report.pictures import Pictures
from fieldmark.records import CandidateClass, Contribution, Prediction

SHOWN = 3
"""Entries of a group that are shown at once."""
FOLDED = 6
"""Entries of a group that unfold."""
MOST_CONTRIBUTIONS = 6
LEAST_WEIGHT = 0.03
"""Attributes that weigh less than this share of the weightiest are summed up, not listed."""
MOST_CANDIDATES = 5

Test = Callable[[Prediction], bool]


class PictureSource(Protocol):
    """Where the picture of an image comes from."""

    def of(self, image: str, image_hash: str) -> str | None:
        """Its URL; None where there is none."""
        ...


@dataclass(frozen=True)
class AttributeRow:
    """One attribute of an entry, with its bar.

    Attributes:
        contribution: The attribute with its values.
        bar: Its contribution as a signed bar.
        sees_label: The picture shows the label's value and not the runner-up's.
        sees_runner_up: The other way round.
    """

    contribution: Contribution
    bar: Markup
    sees_label: bool
    sees_runner_up: bool


@dataclass(frozen=True)
class CandidateRow:
    """One candidate of an entry, with its bar."""

    candidate: CandidateClass
    bar: Markup


@dataclass(frozen=True)
class GalleryEntry:
    """One image as the report shows it.

    Attributes:
        prediction: What the run says of it.
        picture: Data URL, or None.
        file: Name of the file and of its folder.
        candidates: The likeliest classes left.
        more_candidates: How many are not listed.
        contributions: The weightiest attributes.
        more_contributions: How many are not listed.
        rest: What those add up to.
        rest_bar: The same as a bar.
        right: Whether the label is right; None where the truth is not known.
    """

    prediction: Prediction
    picture: str | None
    file: str
    candidates: tuple[CandidateRow, ...]
    more_candidates: int
    contributions: tuple[AttributeRow, ...]
    more_contributions: int
    rest: float
    rest_bar: Markup
    right: bool | None


@dataclass(frozen=True)
class GalleryGroup:
    """A group of entries.

    Attributes:
        title: What they have in common.
        note: A sentence about it.
        count: How many images of the run belong to it.
        shown: Entries shown at once.
        folded: Entries that unfold.
    """

    title: str
    note: str
    count: int
    shown: tuple[GalleryEntry, ...] = field(default=())
    folded: tuple[GalleryEntry, ...] = field(default=())


def gallery(predictions: Sequence[Prediction], pictures: Pictures) -> tuple[GalleryGroup, ...]:
    """The groups of images worth looking at; empty groups are left out."""
    known = any(p.truth is not None for p in predictions)
    rules = _WITH_TRUTH if known else _WITHOUT_TRUTH
    groups: list[GalleryGroup] = []
    for title, note, test in rules:
        members = [p for p in predictions if test(p)]
        if not members:
            continue
        entries = [entry(p, pictures) for p in chosen(members, SHOWN + FOLDED)]
        groups.append(
            GalleryGroup(
                title=title,
                note=note,
                count=len(members),
                shown=tuple(entries[:SHOWN]),
                folded=tuple(entries[SHOWN:]),
            )
        )
    return tuple(groups)


def chosen(predictions: Sequence[Prediction], most: int) -> list[Prediction]:
    """At most `most`, by file hash; an image of a class that is not shown yet comes first."""
    ordered = sorted(predictions, key=lambda p: (p.image_hash, p.image))
    seen: dict[str, int] = {}
    places: list[int] = []
    for p in ordered:
        name = p.truth or p.label
        places.append(seen.get(name, 0))
        seen[name] = places[-1] + 1
    ranked = sorted(range(len(ordered)), key=lambda index: (places[index], index))
    return [ordered[index] for index in ranked[:most]]


def entry(p: Prediction, pictures: PictureSource, *, most: int = MOST_CONTRIBUTIONS) -> GalleryEntry:
    """Lay out one image, with its `most` weightiest attributes at most."""
    by_weight = sorted(p.contributions, key=lambda each: -abs(each.contribution))
    largest = max((abs(each.contribution) for each in by_weight), default=0.0)
    weighty = sum(abs(each.contribution) >= LEAST_WEIGHT * largest for each in by_weight)
    listed, others = (
        by_weight[: min(weighty, most)],
        by_weight[min(weighty, most) :],
    )
    if len(others) == 1:  # "one smaller one" takes the room of the one itself
        listed, others = by_weight, []
    rest = sum(each.contribution for each in others)
    candidates = p.candidates[:MOST_CANDIDATES]
    return GalleryEntry(
        prediction=p,
        picture=pictures.of(p.image, p.image_hash),
        file="/".join(PurePath(p.image).parts[-2:]),
        candidates=tuple(
            CandidateRow(candidate=each, bar=figures.share(each.probability)) for each in candidates
        ),
        more_candidates=max(0, p.candidates_left - len(candidates)),
        contributions=tuple(
            AttributeRow(
                contribution=each,
                bar=figures.signed_bar(each.contribution, largest),
                sees_label=_sees(each, each.label_value),
                sees_runner_up=_sees(each, each.runner_up_value),
            )
            for each in listed
        ),
        more_contributions=len(others),
        rest=rest,
        rest_bar=figures.signed_bar(rest, max(largest, abs(rest))),
        right=None if p.truth is None else p.label == p.truth,
    )


def _sees(contribution: Contribution, value: str | None) -> bool:
    """Whether the picture shows this value, where it tells label and runner-up apart."""
    return (
        value is not None
        and contribution.seen == value
        and contribution.label_value != contribution.runner_up_value
    )


def _changed(p: Prediction) -> bool:
    return p.first_label is not None and p.first_label != p.label


_OPEN = (
    "Still open",
    "Several classes remain. They are handed over, not guessed at; the label is only the likeliest one.",
    lambda p: p.status == "open",
)
_REJECTED = (
    "Rejected",
    "No class is left, as none fits these images well.",
    lambda p: p.status == "rejected",
)
_WITH_TRUTH: tuple[tuple[str, str, Test], ...] = (
    (
        "Wrong at first, then resolved",
        "The first look took them for something else; the attributes asked about later set that right.",
        lambda p: (
            p.status == "resolved" and p.truth is not None and p.label == p.truth and p.first_label != p.truth
        ),
    ),
    _OPEN,
    (
        "Resolved, yet wrong",
        "One class was left and it is not the true one. Resolved never means certain.",
        lambda p: p.status == "resolved" and p.truth is not None and p.label != p.truth,
    ),
    _REJECTED,
)
_WITHOUT_TRUTH: tuple[tuple[str, str, Test], ...] = (
    _OPEN,
    (
        "Changed, then resolved",
        "The first look took them for something else.",
        lambda p: p.status == "resolved" and _changed(p),
    ),
    (
        "Resolved as first seen",
        "The first label stayed, and no other class was left beside it.",
        lambda p: p.status == "resolved" and not _changed(p) and p.decided_by != "method",
    ),
    (
        "Resolved",
        "To the method, no other class is nearly as likely.",
        lambda p: p.status == "resolved" and p.decided_by == "method",
    ),
    _REJECTED,
)
