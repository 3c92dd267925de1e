"""Chooses the images whose labels would help most: sure members of unsure groups, then unsure images."""

import torch
from torch import Tensor

from fieldmark.tools.scoring.evidence.combine import Evidence

DENSITY = 1e-3
"""Weight of the density beside the share: among members that are as sure, the most typical one."""


def worth_asking(evidence: Evidence, count: int, known: Tensor) -> tuple[Tensor, Tensor]:
    """The images to have labelled, the most helpful first.

    With u = 1 - max_c p, a group's gain is the sum of u over the images that belong to it most. Groups come
    in the order of their gains, each with its surest member: a label speaks for the images around it, which
    one at the edge of its group does not do. Then come the least sure images.

    Args:
        evidence: From `combine` or `with_labels`.
        count: At most so many.
        known: Images that were labelled before [N] bool; they are left out.

    Returns:
        Images [m] int64, and whether each stands for its group [m] bool.
    """
    shares, density = evidence.groups.shares, evidence.groups.density
    unsure = (1 - evidence.log_p.exp().max(1).values).masked_fill(known, 0)
    gain = torch.zeros(shares.shape[1]).index_add_(0, shares.argmax(1), unsure)
    surest = (shares + DENSITY * density.softmax(0)).masked_fill(known[:, None], -1).argmax(0)
    groups = surest[gain.argsort(descending=True, stable=True)]
    rest = unsure.argsort(descending=True, stable=True)
    order = list(dict.fromkeys([*groups.tolist(), *rest.tolist()]))
    chosen = torch.tensor([i for i in order if not known[i]][:count], dtype=torch.int64)
    return chosen, torch.isin(chosen, groups)
