"""What class names say of images, and which names the encoder knows: read off the unlabelled pool."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.tools.scoring.evidence.likeness import Likeness

NULL_COLUMNS = 64
NULL_QUANTILE = 0.9
"""A name counts as half known where its gap is that of the top tenth of names that say nothing at all."""
KNOWN_WIDTH = 0.1
UNKNOWN_STRENGTH = 1.0
"""What a name that the encoder never saw still says (its noun), in standard deviations of its column."""
LEAST_GROUP = 4
"""The fewest images that a class is taken to have."""
REFERENCE_SHARE = 0.5
"""How much a reference counts where there is one: a pool of few classes says little of how a name scores
elsewhere."""


@dataclass(frozen=True)
class NameView:
    """Cosines with one kind of text that holds the class names.

    Attributes:
        cosines: Of each image with each class's texts [N, C].
        reference: The same of reference images, whatever they show [R, C]; None without any.
        chosen: Whether labelled images chose the texts: the cosines then compare between classes as they are.
    """

    cosines: Tensor
    reference: Tensor | None = None
    chosen: bool = False


@dataclass(frozen=True)
class NameEvidence:
    """What names say.

    Attributes:
        log_odds: Log-odds that an image is of a class, by the class's name alone [N, C] float32.
        known: Belief that the encoder knows the name [C] float32 in 0..1.
    """

    log_odds: Tensor
    known: Tensor


def name_evidence(views: Sequence[NameView], likeness: Likeness) -> NameEvidence:
    """Log-odds of each class by its name, with a strength read off each name's own column.

    A known name fits one group of images far better than the next; an unknown one fits many about alike. Let
    s be the columns standardised over the pool (half of mean and variance from the reference, where there
    is one), averaged over views and standardised again; g = N/C images a class; u the columns smoothed over
    like images; null the gap of columns of noise, smoothed alike:

        gap_c   = (mean of the g/2 largest u[.,c] - mean of ranks 1.5g to 3g of u[.,c]) / std u[.,c]
        known_c = sigmoid((gap_c - 90% quantile of null) / .1)
        m_c     = known_c · mean of the g largest s[.,c] + (1 - known_c)
        log-odds[n,c] = m_c s[n,c] - m_c²/2

    The last line is the log-likelihood ratio of two unit normals, m_c apart. Texts that labelled images chose
    do better than columns that are standardised over a pool, which may hold few images of a class: their own
    cosines take the place of s there, less their mean over the classes, at the spread that the rule gives:

        log-odds[n,c] = (cos[n,c] - mean_c cos) · sd(the rule's, less their mean) / sd(cos, less their mean)
    """
    scores = _standardised(_mean_of([_standardised(view) for view in views])).cosines
    images, classes = scores.shape
    size = min(images, max(LEAST_GROUP, images // classes))
    noise = torch.randn(images, NULL_COLUMNS, generator=torch.Generator().manual_seed(0))
    half_known = _gaps(likeness.smoothed(noise), size).quantile(NULL_QUANTILE)
    known = ((_gaps(likeness.smoothed(scores), size) - half_known) / KNOWN_WIDTH).sigmoid()
    strength = known * scores.topk(size, 0).values.mean(0) + (1 - known) * UNKNOWN_STRENGTH
    log_odds = strength * scores - strength**2 / 2
    if all(view.chosen for view in views):
        own = torch.stack([_across(view.cosines) for view in views]).mean(0)
        log_odds = own * (_across(log_odds).std() / own.std().clamp(min=1e-6))
    return NameEvidence(log_odds=log_odds, known=known)


def _across(values: Tensor) -> Tensor:
    """Values [N, C], less the mean of each row."""
    return values - values.mean(1, keepdim=True)


def _gaps(smooth: Tensor, size: int) -> Tensor:
    """How far the images that a column fits best are ahead of the next, in standard deviations [K]."""
    ranked = smooth.sort(0, descending=True).values
    following = ranked[size * 3 // 2 : size * 3]
    behind = following.mean(0) if len(following) else ranked[-1]
    return (ranked[: max(1, size // 2)].mean(0) - behind) / smooth.std(0, correction=0).clamp(min=1e-6)


def _standardised(view: NameView) -> NameView:
    """Columns of mean 0 and standard deviation 1 over pool and reference; constant columns become 0."""
    mean, variance = view.cosines.mean(0), view.cosines.var(0, correction=0)
    if view.reference is None:
        return NameView((view.cosines - mean) / variance.sqrt().clamp(min=1e-6))
    mean = mean.lerp(view.reference.mean(0), REFERENCE_SHARE)
    deviation = variance.lerp(view.reference.var(0, correction=0), REFERENCE_SHARE).sqrt().clamp(min=1e-6)
    return NameView((view.cosines - mean) / deviation, (view.reference - mean) / deviation)


def _mean_of(views: Sequence[NameView]) -> NameView:
    references = [view.reference for view in views if view.reference is not None]
    mean = torch.stack([view.cosines for view in views]).mean(0)
    return NameView(mean, torch.stack(references).mean(0) if len(references) == len(views) else None)
