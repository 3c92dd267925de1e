"""Which attributes decided between an image's label and its runner-up, exactly.

It knows nothing of attribute names or of how results are shown.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.tools.scoring.table import TableResult


@dataclass(frozen=True)
class Decision:
    """Label, runner-up and what each attribute added between them.

    Attributes:
        label: Best class per image [N] int64; -1 where an image has no candidate.
        runner_up: Second best class [N] int64; -1 where there is none.
        margin: Score of the label minus that of the runner-up [N] float64: the sum of `marks`; 0 where
            there is no runner-up.
        marks: Signed contribution per attribute [N, T] float32, or [N, T + 1] with the name term last;
            positive speaks for the label.
        label_value: Likeliest value of the label per attribute in the corrected table [N, T] int64.
        runner_up_value: Likeliest value of the runner-up [N, T] int64.
        seen: Value the image looks most like, per attribute [N, T] int64.
    """

    label: Tensor
    runner_up: Tensor
    margin: Tensor
    marks: Tensor
    label_value: Tensor
    runner_up_value: Tensor
    seen: Tensor


def decide(result: TableResult, within: Tensor | None = None) -> Decision:
    """Find label and runner-up of every image and split the margin over the attributes.

    Args:
        result: From `table_rule`.
        within: Classes left [N, C] bool; where given, label and runner-up are the best two of these.

    Returns:
        One decision per image; among equal scores the class that comes first is the label.
    """
    scores = result.scores
    columns = result.candidates
    if columns is None:
        columns = torch.arange(scores.shape[1]).expand(scores.shape)
    if within is not None:
        scores = scores.masked_fill(~(within.gather(1, columns.clamp(min=0)) & (columns >= 0)), -torch.inf)
    best = _best_two(scores, columns)
    label, runner_up = best[:, 0], best[:, 1]
    parts = result.contributions_of(best)
    two = (runner_up >= 0)[:, None]
    marks = (parts[:, 0] - parts[:, 1]) * two
    values = result.q.argmax(-1)
    return Decision(
        label=label,
        runner_up=runner_up,
        margin=marks.to(torch.float64).sum(-1),
        marks=marks,
        label_value=values[label.clamp(min=0)],
        runner_up_value=values[runner_up.clamp(min=0)],
        seen=result.seen.argmax(-1),
    )


def _best_two(scores: Tensor, columns: Tensor) -> Tensor:
    """Classes of the two best scores per row [N, 2], -1 where a score is -inf."""
    picked: list[Tensor] = []
    left = scores.clone()
    for _ in range(2):
        value, index = left.max(dim=1, keepdim=True)
        picked.append(columns.gather(1, index).masked_fill(value.isinf(), -1))
        left.scatter_(1, index, -torch.inf)
    return torch.cat(picked, dim=1)
