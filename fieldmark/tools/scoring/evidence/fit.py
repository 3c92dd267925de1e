"""How well the best listed class fits an image: low for images of no listed class, lower for other things."""

import torch
from scipy.special import stdtrit
from torch import Tensor
from torch.distributions import Distribution, Normal, StudentT

from fieldmark.tools.scoring.evidence.combine import Evidence
from fieldmark.tools.scoring.table import TableResult

TAIL = 3.0
"""Degrees of freedom of the t distribution that fits of listed images are taken to follow. Its tails are
heavy: classes that the answers describe wrongly fit badly, too."""
DEVIATION = float(stdtrit(TAIL, 0.75))
"""The median absolute deviation of that distribution."""
WORST = 3
"""How many of the label's attributes that fit worst are looked at."""
CONTRADICTED = 0.85
"""Weight of these attributes; the rest is for the likeness to any class at all."""
FAR_GROUP, FAR_POOL = -3.5, -1.75
"""From here on being unlike every group, and being unlike the pool as a whole, count against an image. The
first finds single strangers, which the average over like images hides; the second finds many of a kind."""
FAR_WEIGHT = 2.0
UNLISTED_FIT, UNLISTED_SPREAD = -3.0, 1.5
"""Mean and standard deviation of the fit of images that are like listed ones and of none of them."""
OTHER_SHARE, OTHER_FIT, OTHER_SPREAD = 0.2, -8.0, 4.0
"""The same of things of another kind, and how many of the images that are not listed they are taken to be."""
LEAST_UNLISTED = 0.03
"""The smallest share of the pool that is taken to be of no listed class."""
LEAST_POOL = 30
"""A smaller pool has no usual fit: one of three photos would seem a stranger."""
_PRIOR_IMAGES = 20
_STEPS = 50


def fits(
    evidence: Evidence, table: TableResult | None, vectors: Tensor, reference: Tensor | None = None
) -> Tensor:
    """How well the best listed class fits each image, in median absolute deviations of the pool [N] float32.

    All but the density is first averaged over like images (`Likeness.smoothed`), as images of one unlisted
    class lie together, and then standardised by median and median absolute deviation. With k the belief
    that the encoder knows the label's name:

        fit = k z(name log-odds of the label) + (1 - k) (.85 z(three worst attributes) + .15 z(log sum_c e^E))
              + 2 min(0, z(density in the nearest group) + 3.5) + 2 min(0, z(likeness to the pool) + 1.75)

    In a pool of fewer than `LEAST_POOL` images all fits are 0.

    Args:
        evidence: From `combine`.
        table: The table rule's result behind its votes; None without votes.
        vectors: Unit image vectors [N, D] float32.
        reference: Unit vectors of reference images [R, D]; likeness is to their mean where they are given.
    """
    if len(vectors) < LEAST_POOL:
        return vectors.new_zeros(len(vectors))
    label = evidence.log_p.argmax(1, keepdim=True)
    known = evidence.names.known[label[:, 0]]
    centre = (vectors if reference is None else reference).mean(0)
    columns = [
        evidence.names.log_odds.gather(1, label)[:, 0],
        evidence.by_views.logsumexp(1),
        vectors @ torch.nn.functional.normalize(centre, dim=0),
    ]
    if table is not None:
        parts = table.contributions_of(label)[:, 0, : len(table.pi)]
        columns.append(parts.sort(1).values[:, :WORST].sum(1))
    smooth = evidence.likeness.smoothed(torch.stack(columns, 1))
    name, any_class, pool = (_standardised(smooth[:, place]) for place in range(3))
    votes = any_class
    if table is not None:
        votes = CONTRADICTED * _standardised(smooth[:, 3]) + (1 - CONTRADICTED) * any_class
    group = _standardised(evidence.groups.density.max(1).values)
    far = (group - FAR_GROUP).clamp(max=0) + (pool - FAR_POOL).clamp(max=0)
    return known * name + (1 - known) * votes + FAR_WEIGHT * far


def cut(share: float) -> float:
    """The fit that this share of listed images falls short of; -inf for 0."""
    return float(stdtrit(TAIL, share)) / DEVIATION if share > 0 else float("-inf")


def unlisted(fit: Tensor) -> Tensor:
    """Probability that an image is of no listed class [N] float32, for fits [N].

    The pool is a mixture: fits of listed images follow a t distribution, those of others lie below. Their
    share is found by expectation maximisation, and is never taken to be less than `LEAST_UNLISTED`.
    """
    listed = _density(StudentT(TAIL), fit * DEVIATION) * DEVIATION
    others = (1 - OTHER_SHARE) * _density(Normal(UNLISTED_FIT, UNLISTED_SPREAD), fit)
    others = others + OTHER_SHARE * _density(Normal(OTHER_FIT, OTHER_SPREAD), fit)
    share = LEAST_UNLISTED
    for _ in range(_STEPS):
        posterior = share * others / (share * others + (1 - share) * listed)
        share = float((posterior.sum() + LEAST_UNLISTED * _PRIOR_IMAGES) / (len(fit) + _PRIOR_IMAGES))
    share = max(share, LEAST_UNLISTED)
    return share * others / (share * others + (1 - share) * listed)


def _density(of: Distribution, at: Tensor) -> Tensor:
    return of.log_prob(at).exp().clamp(min=1e-30)


def _standardised(values: Tensor) -> Tensor:
    """Values [N] less their median, in median absolute deviations."""
    apart = values - values.median()
    return apart / apart.abs().median().clamp(min=1e-6)
