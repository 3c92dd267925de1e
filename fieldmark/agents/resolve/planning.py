"""Chooses the next follow-up questions: those that help the most open images per call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fieldmark.agents.shared.notes import Note
from fieldmark.records import QuestionSpec
from fieldmark.tools.scoring.vectors import image_steps

MOST_CELLS = 64
"""The most cells that one question fills: what a row's question can hold."""
FEW_FLOOR = 0.05
"""The part of an open image that a first group must concern where none concerns a whole one."""


@dataclass(frozen=True, kw_only=True)
class PlanView:
    """What a planner may look at.

    Attributes:
        classes: The class names, in the order of the columns.
        weights: How much each open image is still this class, `[N_open, C]` float32: probabilities
            among its candidates, 0 elsewhere. In a large pool `[N_open, K]`, see `listed`.
        listed: The class of each weight `[N_open, K]` int64; None where there is one for every class.
        columns: The attributes discovered so far, T of them.
        columns_hash: Hash under which they are kept with the values seen so far, "" where T = 0.
        counts: Votes per class and attribute, `[C, T]` float32.
        doubt: How strongly the images contradict each cell's votes, `[C, T]` float32: total variation
            between what was voted and what the images make of it, 0 where nobody voted.
        alike: Pairs of classes that the votes give the same value wherever both have votes, `[C, C]` bool;
            None counts all as alike.
        notes: Every question asked so far, with what came of it.
        group_size: The most classes in one group question.
    """

    classes: tuple[str, ...]
    weights: Tensor
    columns: tuple[str, ...]
    columns_hash: str
    counts: Tensor
    doubt: Tensor
    alike: Tensor | None
    notes: Sequence[Note]
    group_size: int
    listed: Tensor | None = None

    def per_class(self, values: Tensor) -> Tensor:
        """Sum over the open images `[C]` of values shaped like `weights`."""
        if self.listed is None:
            return values.sum(0)
        return torch.zeros(len(self.classes)).index_add_(0, self.listed.flatten(), values.flatten())


class Planner(Protocol):
    """Chooses follow-up questions.

    Returns them most needed first; an empty tuple says that no question is worth its call. A planner
    is a pure function of the view: the same view gives the same plan, so that a resumed run asks the
    same questions. It never repeats a question that is among the notes, also where that one failed.
    """

    def plan(self, view: PlanView) -> tuple[QuestionSpec, ...]:
        """The next questions, most needed first."""
        ...


def pair_need(weights: Tensor, listed: Tensor | None = None, classes: int = 0) -> Tensor:
    """How many open images hesitate between two classes.

    Args:
        weights: `[N_open, C]` float32, or of some classes of each image.
        listed: Which classes; see `PlanView`.
        classes: C, where they are listed.

    Returns:
        `[C, C]` float32, symmetric, zero diagonal: the sum over images of 2·√(w_i·w_j), which is 1 for
        an image that wavers evenly between exactly these two.
    """
    root = weights.clamp(min=0).sqrt()
    return settle(pair_sums(root, listed, classes).mul_(2)).fill_diagonal_(0)


def pair_sums(values: Tensor, listed: Tensor | None, classes: int) -> Tensor:
    """Sum over images of the product of their values for two classes `[C, C]`; see `pair_need`."""
    if listed is None:
        return values.T @ values
    total = torch.zeros(classes * classes)
    for step in image_steps(len(values), 3 * values.shape[1] ** 2):
        own, at = values[step], listed[step]
        place = at[:, :, None] * classes + at[:, None]
        total.index_add_(0, place.flatten(), (own[:, :, None] * own[:, None]).flatten())
    return total.view(classes, classes)


def settle(need: Tensor) -> Tensor:
    """Round to hundredths, in place: a sum's last bits depend on the number of threads; a plan must not."""
    return need.mul_(100).round_().div_(100)


def rival_groups(need: Tensor, *, size: int, most: int, floor: float = 1.0) -> list[tuple[list[int], float]]:
    """Greedy groups of rivals: start from the neediest pair, add the class that adds most, cover, repeat.

    Args:
        need: `[C, C]` as of `pair_need`.
        size: The most classes in a group.
        most: The most groups.
        floor: A group must concern at least this many open images.

    Returns:
        `(class indices, images concerned)` for each group, neediest first. No two groups share a pair.
    """
    need = need.clone()
    groups: list[tuple[list[int], float]] = []
    best, rival = need.max(1)
    while len(groups) < most:
        first = int(best.argmax())
        second = int(rival[first])
        if float(best[first]) < floor or first == second:
            break
        members = [first, second]
        total = float(need[first, second])
        while len(members) < size:
            gain = need[members].sum(0)
            gain[members] = -1
            added = int(gain.argmax())
            # A class that adds less than half of that only makes the question longer.
            if float(gain[added]) < 0.5 * floor:
                break
            total += float(gain[added])
            members.append(added)
        index = torch.tensor(members)
        need[index[:, None], index] = 0
        best[index], rival[index] = need[index].max(1)
        groups.append((sorted(members), total))
    return groups


@dataclass(frozen=True)
class PairPlanner:
    """FuDD's questions: every pair of candidates of an open image, most needed first."""

    def plan(self, view: PlanView) -> tuple[QuestionSpec, ...]:
        """All pairs that two open candidates make and that were not asked."""
        need = pair_sums((view.weights > 0).float(), view.listed, len(view.classes)).triu(1)
        pairs = need.nonzero()
        order = torch.sort(need[pairs[:, 0], pairs[:, 1]], descending=True, stable=True).indices
        asked = {note.spec.classes for note in view.notes if note.spec.kind == "pair"}
        specs: list[QuestionSpec] = []
        for first, second in pairs[order].tolist():
            names = (view.classes[first], view.classes[second])
            if names not in asked:
                specs.append(QuestionSpec(kind="pair", classes=names, need=float(need[first, second])))
        return tuple(specs)


@dataclass(frozen=True)
class GroupPlanner:
    """Rival groups only: discover first, then ask again with the tried attributes named."""

    def plan(self, view: PlanView) -> tuple[QuestionSpec, ...]:
        """Groups that cover the open images, not asked before."""
        most = max(1, -(-2 * len(view.classes) // view.group_size))
        return plan_groups(view, most=most)


@dataclass(frozen=True)
class TablePlanner:
    """A field guide: discover attributes from rival groups, fill the table, then mend it.

    1. No attribute known: group questions among the most confused classes discover some.
    2. Classes that open images may be, with cells nobody voted for: one question a class fills its row.
    3. The table is full: cells that the images contradict are asked again (a second opinion), and the
       groups that are still confused are asked for attributes not tried yet, which leads back to 2.
       Without second opinions only rivals whose rows are alike are asked about: nothing that is known
       can tell them apart.

    Attributes:
        second_opinions: Whether the third stage is about all rivals and contradicted cells.
        opinions: The most answers about one cell of the table that are asked for on purpose.
        doubt_floor: A cell is asked again from this contradiction on (total variation, 0..1).
        image_floor: A class or group must concern at least this many open images.
    """

    second_opinions: bool = True
    opinions: int = 3
    doubt_floor: float = 0.5
    image_floor: float = 0.5

    def plan(self, view: PlanView) -> tuple[QuestionSpec, ...]:
        """The next stage's questions."""
        groups = max(1, -(-len(view.classes) // view.group_size))
        if not view.columns:
            return plan_groups(view, most=groups)
        # A class that nobody described cannot be likely yet: what counts is how many images it may be.
        filling = self._rows(view, view.counts == 0, need=view.per_class((view.weights > 0).float()), most=1)
        if filling:
            return filling
        most = max(1, groups // 2)
        if not self.second_opinions:
            return plan_groups(view, most=most, among=view.alike)
        again, likely = plan_groups(view, most=most), settle(view.per_class(view.weights))
        mending = self._rows(view, view.doubt >= self.doubt_floor, need=likely, most=self.opinions)
        return tuple(sorted(again + mending, key=lambda spec: -spec.need))

    def _rows(self, view: PlanView, cells: Tensor, *, need: Tensor, most: int) -> tuple[QuestionSpec, ...]:
        """One question for each class that has such cells, about those cells alone; most needed first."""
        opinions: dict[tuple[str, str], int] = {}
        rows: dict[str, int] = {}
        for note in view.notes:
            if note.spec.kind == "tabulate":
                name = note.spec.classes[0]
                rows[name] = rows.get(name, 0) + 1
                for attribute in note.spec.attributes:
                    opinions[name, attribute] = opinions.get((name, attribute), 0) + 1
        order = torch.sort(need * cells.sum(1), descending=True, stable=True).indices.tolist()
        specs: list[QuestionSpec] = []
        for c in order:
            name = view.classes[c]
            wanted = [view.columns[t] for t in cells[c].nonzero()[:, 0].tolist()]
            wanted = [attribute for attribute in wanted if opinions.get((name, attribute), 0) < most]
            if not wanted or float(need[c]) < self.image_floor:
                continue
            specs.append(
                QuestionSpec(
                    kind="tabulate",
                    classes=(name,),
                    # What is left over is asked in the next round: no round asks about a class twice.
                    attributes=tuple(wanted[:MOST_CELLS]),
                    material=view.columns_hash,
                    sample=rows.get(name, 0),
                    need=float(need[c]),
                )
            )
        return tuple(specs)


def plan_groups(view: PlanView, *, most: int, among: Tensor | None = None) -> tuple[QuestionSpec, ...]:
    """Group questions for the rivals among the open images; names the tried columns where there are any.

    Args:
        view: What the planner may look at.
        most: The most groups.
        among: The pairs that may count `[C, C]` bool; None for all.
    """
    kind = "again" if view.columns else "group"
    asked = {note.spec.key for note in view.notes}
    need = pair_need(view.weights, view.listed, len(view.classes))
    if among is not None:
        need *= among
    groups = rival_groups(need, size=view.group_size, most=most)
    if not groups and not view.columns:
        # Among few images no pair concerns a whole one, and the loop would end before it asked anything.
        groups = rival_groups(need, size=view.group_size, most=most, floor=FEW_FLOOR)
    specs: list[QuestionSpec] = []
    for members, concerned in groups:
        spec = QuestionSpec(
            kind=kind,
            classes=tuple(view.classes[c] for c in members),
            attributes=view.columns,
            need=concerned,
        )
        if spec.key not in asked:
            specs.append(spec)
    return tuple(specs)
