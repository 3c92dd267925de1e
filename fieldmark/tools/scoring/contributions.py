"""Which attributes decided between an image's label and its runner-up, exactly."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.tools.scoring.table import TableResult

NAME, PRIOR, LABELS = "name", "prior", "labels"
"""What the contributions of the class name, of a prior and of labelled images are listed under."""


@dataclass(frozen=True)
class Explanation:
    """Label, runner-up and what each attribute added between them.

    Attributes:
        label: Best class per image [N] int64; -1 where an image has no candidate.
        runner_up: Second best class [N] int64, by the rule of `explain_labels`; -1 where there is none.
        margin: Score of the label minus that of the runner-up [N] float64: the sum of `contributions`; 0
            where there is no runner-up. Negative where the best class was ruled out in an earlier round.
        contributions: Signed contribution per attribute [N, T] float32, and behind these of what `others`
            names; positive speaks for the label.
        label_value: Likeliest value of the label per attribute in the corrected table [N, T] int64.
        runner_up_value: Likeliest value of the runner-up [N, T] int64.
        seen: Value the image looks most like, per attribute [N, T] int64.
        others: What contributes that is no attribute, in the order of the last columns.
    """

    label: Tensor
    runner_up: Tensor
    margin: Tensor
    contributions: Tensor
    label_value: Tensor
    runner_up_value: Tensor
    seen: Tensor
    others: tuple[str, ...] = (NAME,)


def explain_labels(result: TableResult, within: Tensor | None = None) -> Explanation:
    """Find label and runner-up of every image and split the margin over the attributes.

    Args:
        result: From `table_rule`.
        within: Classes left [N, C] bool. The label is the best of these, the runner-up the next. Where one
            class is left, the runner-up is the best of those ruled out (what did the label win against?);
            where none is, both are the best of all. Beside candidates by index it may be about those alone
            [N, k].

    Returns:
        One decision per image; among equal scores the class that comes first is the label.
    """
    scores = result.scores
    columns = result.candidates
    if columns is None:
        columns = torch.arange(scores.shape[1]).expand(scores.shape)
    inside = columns >= 0
    if within is not None:
        every = within.shape[1] == len(result.q)
        inside = inside & (within.gather(1, columns.clamp(min=0)) if every else within)
    best = best_two(scores, columns, inside)
    label, runner_up = best[:, 0], best[:, 1]
    parts = result.contributions_of(best)
    two = (runner_up >= 0)[:, None]
    contributions = (parts[:, 0] - parts[:, 1]) * two
    values = result.q.argmax(-1)
    return Explanation(
        label=label,
        runner_up=runner_up,
        margin=contributions.to(torch.float64).sum(-1),
        contributions=contributions,
        label_value=values[label.clamp(min=0)],
        runner_up_value=values[runner_up.clamp(min=0)],
        seen=result.most_like,
    )


def best_two(scores: Tensor, columns: Tensor, inside: Tensor) -> Tensor:
    """The two best classes per row [N, 2], those inside before all others; -1 where every score is -inf."""
    picked: list[Tensor] = []
    left, preferred = scores.clone(), scores.masked_fill(~inside, -torch.inf)
    for _ in range(2):
        pool = torch.where(preferred.isinf().all(dim=1, keepdim=True), left, preferred)
        value, index = pool.max(dim=1, keepdim=True)
        picked.append(columns.gather(1, index).masked_fill(value.isinf(), -1))
        left.scatter_(1, index, -torch.inf)
        preferred.scatter_(1, index, -torch.inf)
    return torch.cat(picked, dim=1)
