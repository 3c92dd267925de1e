"""Counts which classes were taken for which, at the first look and at the end."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fieldmark.records import Prediction

MOST_CLASSES = 20
MOST_PAIRS = 12


@dataclass(frozen=True)
class TakenFor:
    """How often one class was taken for another.

    Attributes:
        truth: The true class.
        label: The class it was taken for.
        first: Images at the first look.
        final: Images at the end.
    """

    truth: str
    label: str
    first: int
    final: int


@dataclass(frozen=True)
class ConfusedClasses:
    """The most confused classes.

    Attributes:
        classes: Their names; classes that are confused with each other stand side by side.
        first: Counts at the first look: a row a class, a column a class, and one for all other labels.
        final: The same at the end.
        pairs: The most frequent confusions, of all classes.
        errors_first: Wrong labels at the first look, over all images whose truth is known.
        errors_final: Wrong labels at the end.
    """

    classes: tuple[str, ...]
    first: tuple[tuple[int, ...], ...]
    final: tuple[tuple[int, ...], ...]
    pairs: tuple[TakenFor, ...]
    errors_first: int
    errors_final: int


@dataclass(frozen=True)
class Change:
    """How many images went from one label to another."""

    before: str
    after: str
    count: int


def confusions(
    predictions: Sequence[Prediction], *, most_classes: int = MOST_CLASSES, most_pairs: int = MOST_PAIRS
) -> ConfusedClasses | None:
    """Count confusions; None where no truth is known or nothing was ever confused."""
    first: Counter[tuple[str, str]] = Counter()
    final: Counter[tuple[str, str]] = Counter()
    for p in predictions:
        if p.truth is not None:
            first[p.truth, p.first_label or p.label] += 1
            final[p.truth, p.label] += 1
    wrong = {pair for pair in first.keys() | final.keys() if pair[0] != pair[1]}
    if not wrong:
        return None
    ordered = sorted(wrong, key=lambda pair: (-max(first[pair], final[pair]), -first[pair], pair))
    either_way: Counter[tuple[str, str]] = Counter()
    for a, b in wrong:
        either_way[min(a, b), max(a, b)] += first[a, b] + final[a, b]
    classes = _side_by_side(sorted(either_way, key=lambda pair: (-either_way[pair], pair)), most_classes)
    return ConfusedClasses(
        classes=classes,
        first=_counts(first, classes),
        final=_counts(final, classes),
        pairs=tuple(
            TakenFor(truth=a, label=b, first=first[a, b], final=final[a, b]) for a, b in ordered[:most_pairs]
        ),
        errors_first=sum(first[pair] for pair in wrong),
        errors_final=sum(final[pair] for pair in wrong),
    )


def label_changes(predictions: Sequence[Prediction], *, most: int = MOST_PAIRS) -> tuple[Change, ...]:
    """The most frequent changes from the first label to the last."""
    changed = Counter((p.first_label, p.label) for p in predictions if p.first_label not in (None, p.label))
    ordered = sorted(changed.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Change(before=str(a), after=b, count=number) for (a, b), number in ordered[:most])


@dataclass(frozen=True)
class PairMatrix:
    """How often each class goes with each other one.

    Attributes:
        classes: The classes that are most in pairs, those of a pair side by side.
        rows: Counts: a row for the first of a pair, a column for the second.
    """

    classes: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]

    @property
    def most(self) -> int:
        """The largest count."""
        return max(map(max, self.rows))


def pair_matrix(counts: Counter[tuple[str, str]], *, most_classes: int = MOST_CLASSES) -> PairMatrix:
    """Arrange ordered pairs of classes; those that do not fit are left out."""
    either_way: Counter[tuple[str, str]] = Counter()
    for (a, b), number in counts.items():
        either_way[min(a, b), max(a, b)] += number
    classes = _side_by_side(sorted(either_way, key=lambda pair: (-either_way[pair], pair)), most_classes)
    return PairMatrix(classes, tuple(row[:-1] for row in _counts(counts, classes)))


def _side_by_side(pairs: Sequence[tuple[str, str]], most: int) -> tuple[str, ...]:
    """The classes of the first pairs, at most `most`, those linked by a pair next to each other."""
    groups: list[list[str]] = []
    for a, b in pairs:
        mine = next((group for group in groups if a in group), None)
        theirs = next((group for group in groups if b in group), None)
        new = (mine is None) + (theirs is None)
        if sum(map(len, groups)) + new > most:
            continue
        if mine is None and theirs is None:
            groups.append([a, b])
        elif mine is None and theirs is not None:
            theirs.append(a)
        elif theirs is None and mine is not None:
            mine.append(b)
        elif mine is not None and theirs is not None and mine is not theirs:
            mine.extend(theirs)
            groups.remove(theirs)
    return tuple(name for group in groups for name in group)


def _counts(counts: Counter[tuple[str, str]], classes: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    index = {name: place for place, name in enumerate(classes)}
    rows = [[0] * (len(classes) + 1) for _ in classes]
    for (truth, label), number in counts.items():
        if truth in index:
            rows[index[truth]][index.get(label, len(classes))] += number
    return tuple(tuple(row) for row in rows)
