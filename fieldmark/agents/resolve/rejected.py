"""Names what rejected images that look alike have in common: they may be a class that is not listed."""

from collections.abc import Sequence

import torch

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.rescoring import ScoredTable
from fieldmark.records import CommonMark, Prediction, RejectedGroup, RejectedGroups
from fieldmark.tools.scoring.evidence.alike import common_values, groups_of_like

MOST_MARKS = 6


def rejected_groups(
    predictions: Sequence[Prediction], table: ScoredTable | None, context: ResolveContext
) -> RejectedGroups:
    """The groups of rejected images, the largest first; an image that is like no other is in none.

    Args:
        predictions: What the run makes of each usable image.
        table: The field guide that decided; without it groups have no marks.
        context: The run.
    """
    rows = torch.tensor(
        [row for row, p in enumerate(predictions) if p.status == "rejected"], dtype=torch.int64
    )
    place = {name: at for at, name in enumerate(context.classes)}
    label = torch.tensor([place[p.label] for p in predictions], dtype=torch.int64)
    found = groups_of_like(context.vectors[: len(predictions)], rows, label)
    return RejectedGroups(
        groups=tuple(
            RejectedGroup(
                images=tuple(predictions[row].image for row in group.tolist()),
                image_hashes=tuple(predictions[row].image_hash for row in group.tolist()),
                marks=() if table is None else _marks(table, group, len(predictions)),
            )
            for group in found
        )
    )


def _marks(table: ScoredTable, group: torch.Tensor, count: int) -> tuple[CommonMark, ...]:
    guide = table.guide
    return tuple(
        CommonMark(
            attribute=guide.attributes[each.attribute],
            value=guide.values[each.attribute][each.value],
            share=round(each.share, 4),
            usual=round(each.usual, 4),
        )
        for each in common_values(table.result.seen[:count], group)[:MOST_MARKS]
    )
