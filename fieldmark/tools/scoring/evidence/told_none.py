"""Learns from images that people said show none of the classes: which others are likely of the same kind."""

import torch
from torch import Tensor

from fieldmark.tools.scoring.evidence.alike import within_class
from fieldmark.tools.scoring.evidence.combine import CERTAIN, Evidence
from fieldmark.tools.scoring.evidence.groups import grouped
from fieldmark.tools.scoring.evidence.likeness import principal_axes

NEAR = 1.15
"""An image as far from a labelled one as so many times the mean distance within classes may be like it."""
SOFT = 0.1
"""Over so many times that distance the log-odds of being like it change by one."""
MOST = 10.0
"""The most log-odds that nearness gives."""
SURE = 0.95
DOUBTFUL = 0.2
"""From here on an image's own fit speaks for no listed class, too."""


def like_none(evidence: Evidence, vectors: Tensor, rows: Tensor, truth: Tensor, none: Tensor) -> Tensor:
    """Probability that each image is of the same kind as one that shows none of the classes [N] float32.

    Each image in `none` begins a group of its own beside those of the classes; with w the mean 1 - cosine
    within classes and d that to the labelled image, both on the leading principal axes, its evidence is

        log sum_c e^E + (1.15 w - d) / (.1 w),  at most 10 above the first term.

    Then all images are grouped anew (`grouped`), labelled ones held at their label.

    Args:
        evidence: From `combine` or `with_labels`.
        vectors: Unit image vectors [N, D] float32.
        rows: Images that have a class by their label [n] int64.
        truth: Their classes [n] int64.
        none: Images that show none of the classes [m] int64.
    """
    count, classes = evidence.by_views.shape
    if not len(none) or count < 2:
        return torch.zeros(count)
    axes = torch.nn.functional.normalize(principal_axes(vectors), dim=1)
    width = max(within_class(axes, evidence.log_p.argmax(1)), 1e-3)
    near = (NEAR * width - (1 - axes @ axes[none].T)) / (SOFT * width)
    near = near if evidence.bursts is None else evidence.bursts.mean(near)
    own = evidence.by_views.logsumexp(1, keepdim=True) + near.clamp(max=MOST)
    every = torch.cat([evidence.by_views, own], dim=1)
    held = torch.cat([truth, torch.arange(len(none)) + classes])
    every[torch.cat([rows, none])] = CERTAIN * torch.nn.functional.one_hot(held, classes + len(none)).float()
    like = grouped(vectors, every, evidence.bursts).shares[:, classes:].sum(1)
    like[rows], like[none] = 0.0, 1.0
    return like
