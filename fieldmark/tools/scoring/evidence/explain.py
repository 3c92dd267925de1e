"""Splits the margin between an image's label and its runner-up over attributes and names, exactly."""

import torch
from torch import Tensor

from fieldmark.tools.scoring.contributions import LABELS, NAME, PRIOR, Explanation, best_two
from fieldmark.tools.scoring.evidence.combine import Evidence
from fieldmark.tools.scoring.table import TableResult
from fieldmark.tools.scoring.vectors import STEP_ELEMENTS

CLASSES_AT_ONCE = 64


def explain(evidence: Evidence, table: TableResult | None, within: Tensor) -> Explanation:
    """Find label and runner-up of every image and split the log-odds between them.

    The rule is linear in its evidence, so what each attribute adds is pooled over the group as the evidence
    is.

    Args:
        evidence: From `combine`.
        table: The table rule's result whose scores, steered by the names, went into it; None without votes.
        within: Classes left [N, C] bool; see `contributions.decide`.

    Returns:
        One explanation per image. Behind the contributions of the attributes, if there are any, stands the
        names' part, then that of the prior, if there is one, and of the labels where images were labelled.
    """
    images, classes = evidence.log_p.shape
    columns = torch.arange(classes).expand(images, classes)
    best = best_two(evidence.log_p, columns, within)
    label, runner_up = best[:, 0], best[:, 1]
    pair = best.clamp(min=0)
    views = {NAME: evidence.pooled(evidence.names.log_odds)}
    if evidence.prior is not None:
        views[PRIOR] = evidence.prior
    if evidence.by_labels is not None:
        views[LABELS] = evidence.by_labels
    pairs = [view.gather(1, pair) for view in views.values()]
    parts = torch.cat([both[:, :1] - both[:, 1:] for both in pairs], dim=1).to(torch.float32)
    if table is not None:
        by_attribute = _by_attribute(evidence, table, pair)
        parts = torch.cat([by_attribute[:, 0] - by_attribute[:, 1], parts], dim=1)
    parts = parts * (runner_up >= 0)[:, None]
    values = table.q.argmax(-1) if table else torch.zeros(classes, 0, dtype=torch.int64)
    return Explanation(
        label=label,
        runner_up=runner_up,
        margin=parts.to(torch.float64).sum(-1),
        contributions=parts,
        label_value=values[label.clamp(min=0)],
        runner_up_value=values[runner_up.clamp(min=0)],
        seen=table.most_like if table else torch.zeros(images, 0, dtype=torch.int64),
        others=tuple(views),
    )


def _by_attribute(evidence: Evidence, table: TableResult, pair: Tensor) -> Tensor:
    """What each attribute adds to the log-odds of two classes an image [N, 2, T]."""
    attributes = table.pi.shape[0]
    own = evidence.added(table.contributions_of(pair)[..., :attributes])
    group = torch.zeros_like(own)
    images, classes = evidence.log_p.shape
    block = max(1, min(CLASSES_AT_ONCE, STEP_ELEMENTS // max(1, images * attributes)))
    for first in range(0, classes, block):
        some = torch.arange(first, min(first + block, classes))
        parts = evidence.added(table.contributions_of(some.expand(images, -1))[..., :attributes])
        pooled = evidence.groups.pooled(parts.reshape(images, -1)).reshape(parts.shape)
        here = (pair >= first) & (pair < first + len(some))
        rows, place = here.nonzero(as_tuple=True)
        group[rows, place] = pooled[rows, pair[rows, place] - first]
    mine = evidence.own[..., None]
    scale = evidence.votes_weight / evidence.temperature
    return scale * (mine * own + (1 - mine) * evidence.sharpening * group)
