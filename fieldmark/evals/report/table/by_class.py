"""Tells where methods fail: the baseline's worst classes and groups, and how a few others do there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldmark.evals.table.join import SettingRuns
from fieldmark.evals.table.records import EvalResult, Row
from fieldmark.evals.table.rows import measured_of
from fieldmark.evals.table.test_set import MethodNeed

WORST = 10
MOST_GROUPS = 20
NOTABLE = 0.1
"""A difference from the baseline that is coloured."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MethodByClass:
    """A method that is shown class by class."""

    title: str
    why: str
    method: str


@dataclass(frozen=True)
class Line:
    """One class or group.

    Attributes:
        name: Its name.
        images: How many test images it has.
        shares: Share that each chosen method gets right, the baseline first.
    """

    name: str
    images: int
    shares: tuple[float, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """For each method whether it is notably above ("up") or below ("down") the baseline."""
        base = self.shares[0]
        return tuple(
            "up" if share - base >= NOTABLE else "down" if base - share >= NOTABLE else ""
            for share in self.shares
        )


@dataclass(frozen=True)
class ByClass:
    """How chosen methods do on classes and groups.

    Attributes:
        chosen: The methods, the baseline first.
        classes: The baseline's worst classes, the worst first.
        groups: The groups, the baseline's worst first; none where each class is a group.
        all_classes: How many classes there are.
        all_groups: How many groups there are.
        whole: All test images, to compare with.
    """

    chosen: tuple[MethodByClass, ...]
    classes: tuple[Line, ...]
    groups: tuple[Line, ...]
    all_classes: int
    all_groups: int
    whole: Line


def by_class(setting: SettingRuns, rows: Sequence[Row], result: EvalResult) -> ByClass | None:
    """Where the baseline and a few others fail; None where the baseline predicts nothing."""
    labels = np.array(setting.truth.labels, dtype=np.int64)
    chosen = chosen_methods(rows, result)
    right = [measured_of(each.method, setting.runs, labels).right for each in chosen]
    if not chosen or not all(len(each) for each in right):
        return None
    names = [setting.truth.classes[label] for label in labels]
    classes, groups = lines(names, right), lines(setting.truth.groups, right)
    return ByClass(
        chosen=tuple(chosen),
        classes=tuple(classes[:WORST]),
        groups=tuple(groups[:MOST_GROUPS]),
        all_classes=len(classes),
        all_groups=len(groups),
        whole=Line("all test images", len(labels), tuple(float(each.mean()) for each in right)),
    )


def chosen_methods(rows: Sequence[Row], result: EvalResult) -> list[MethodByClass]:
    """The baseline, the control and the best of each kind; none where the baseline has no accuracy."""
    known = {row.method: row for row in rows if row.top1 is not None}
    if result.baseline not in known:
        return []
    kinds: list[tuple[str, Callable[[Row], bool]]] = [
        ("baseline", lambda row: row.method == result.baseline),
        ("control", lambda row: row.method == result.control),
        ("best that asks nothing", lambda row: _plain(row) and MethodNeed.LLM.value not in row.needs),
        ("best that asks", lambda row: _plain(row) and MethodNeed.LLM.value in row.needs),
        ("best transductive", lambda row: row.transductive and MethodNeed.LABELS.value not in row.needs),
        ("best with labels", lambda row: MethodNeed.LABELS.value in row.needs),
    ]
    found: dict[str, MethodByClass] = {}
    for why, fits in kinds:
        best = max((row for row in known.values() if fits(row)), key=lambda row: row.top1 or 0, default=None)
        if best is not None and best.method not in found:
            found[best.method] = MethodByClass(best.title, why, best.method)
    return list(found.values())


def lines(names: Sequence[str], right: Sequence[Floats]) -> list[Line]:
    """One line for each distinct name, by the first method's share, the lowest first.

    Args:
        names: Class or group of each image; empty for none.
        right: For each method, the share of its seeds that label each image rightly `[N]`.
    """
    if not names:
        return []
    distinct, place = np.unique(np.array(names, dtype=object), return_inverse=True)
    counts = np.bincount(place.reshape(-1))
    shares = [np.bincount(place.reshape(-1), each) / counts for each in right]
    order = np.argsort(shares[0], kind="stable")
    return [
        Line(str(distinct[at]), int(counts[at]), tuple(float(each[at]) for each in shares)) for at in order
    ]


def _plain(row: Row) -> bool:
    return not row.transductive and MethodNeed.LABELS.value not in row.needs
