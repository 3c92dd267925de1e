"""Takes evidence that is no pixel in: how likely classes are beforehand, and which images share a label."""

from dataclasses import replace

import torch
from torch import Tensor

from fieldmark.tools.scoring.evidence.bursts import Bursts, dependence, sameness
from fieldmark.tools.scoring.evidence.combine import Evidence
from fieldmark.tools.scoring.evidence.groups import grouped
from fieldmark.tools.scoring.evidence.likeness import principal_axes

NOTHING, SAID = 0.1, 0.7
"""Chances, before an image is looked at, that what somebody says is of other images altogether, and that it
is right about as many as it can be. Else any share is alike."""
MOST_TRUST = 0.98
"""The share that it is right about at most: no class is ever ruled out by a prior."""
LEAST_TOGETHER = 0.5
"""A burst is taken apart where its images show one class with less than this probability; so are all where a
smaller share of them seems to."""
LEAST_ALIKE = 2.5
"""Images of bursts must be more alike than random ones by so many standard deviations."""
_GRID = 99


def with_beside(
    evidence: Evidence, vectors: Tensor, *, prior: Tensor | None = None, number: Tensor | None = None
) -> Evidence:
    """The evidence once a prior, bursts, or both are known.

    Bursts whose images contradict each other are taken apart (`together`). All are where most do, or where
    their images are no more alike than random ones (`alike`). The images of another share their log-odds: the
    mean, times what the burst is worth (`Bursts.worth`). They have one place in the groups. A prior pi counts
    as far as the images bear it out (`trust`): with C classes, each image's log-odds get

        log(w C pi[n,c] + 1 - w),

    the mean of it over a burst, after all else is averaged over the groups; and groups are found with it.

    Args:
        evidence: From `combine`.
        vectors: Unit image vectors [N, D] float32.
        prior: Probability of each class beforehand [N, C] float32; rows sum to 1, those of images that
            nothing is known of are equal throughout.
        number: The burst of each image [N] int64; an image of none has one of its own.
    """
    found = evidence
    if number is not None:
        told = number
        share, number = together(_likely(found), told)
        if share >= LEAST_TOGETHER and alike(vectors, number) >= LEAST_ALIKE:
            same = sameness(vectors, number, evidence.groups.shares)
            apart = sum(
                sign * int((Bursts(each).sizes > 1).sum()) for sign, each in ((1, told), (-1, number))
            )
            bursts = Bursts(number, dependence(evidence.raw, number), same, apart)
            found = replace(found, bursts=bursts)
            found = replace(found, groups=grouped(vectors, found.by_views, bursts))
    if prior is not None:
        share = trust(_likely(found), prior)
        log_prior = (share * prior.shape[1] * prior + 1 - share).log()
        if found.bursts is not None:
            log_prior = found.bursts.mean(log_prior)
        found = replace(found, prior=log_prior, prior_trust=share)
        found = replace(found, groups=grouped(vectors, found.by_views + log_prior, found.bursts))
    return found


def trust(likely: Tensor, prior: Tensor) -> float:
    """The share of images that a prior is right about, as far as the images can tell.

    They are a mixture: of an image that the prior is right about, class c is as likely as it says, of any
    other all classes are alike. With l what the image says of each class, a share w has the likelihood

        prod_n (w C sum_c pi[n,c] l[n,c] + 1 - w).

    Its mean is taken over 99 shares from 0 to .98. Beforehand 0 has a chance of .1, .98 one of .7, and the
    others have the rest alike: a prior that belongs to other images loses its say, and one that nothing
    speaks against keeps most of it (.78 where there is no image to tell).

    Args:
        likely: What each image says of each class [N, C], rows sum to 1.
        prior: The prior [N, C], rows sum to 1; images that it says nothing of do not count.
    """
    says = (prior.max(1).values - prior.min(1).values) > 1e-6
    odds = (prior.shape[1] * (prior * likely).sum(1))[says].double().clamp(min=1e-30)
    return _share(odds.log())


def together(likely: Tensor, number: Tensor) -> tuple[float, Tensor]:
    """The share of bursts whose images show one class, as far as the images can tell; as `trust` is found.

    A burst of m images that do is C^(m-1) sum_c prod_n l[n,c] times as likely as m images of any classes.

    Args:
        likely: What each image says of each class [N, C], rows sum to 1.
        number: The burst of each image [N] int64.

    Returns:
        The share, and the burst of each image [N] int64, those taken apart that hardly are one.
    """
    classes = likely.shape[1]
    sizes = number.bincount()
    log = torch.zeros(len(sizes), classes, dtype=torch.float64)
    log.index_add_(0, number, (classes * likely.double()).clamp(min=1e-30).log())
    odds = log.logsumexp(1) - torch.tensor(float(classes)).log()
    share = _share(odds[sizes > 1])
    apart = (sizes > 1) & (
        (odds + torch.tensor(share, dtype=torch.float64).logit(eps=1e-9)).sigmoid() < LEAST_TOGETHER
    )
    alone = torch.arange(len(number)) + len(sizes)
    return share, torch.where(apart[number], alone, number).unique(return_inverse=True)[1]


def alike(vectors: Tensor, number: Tensor) -> float:
    """How much more alike the images of bursts are than random ones, in standard deviations.

    By their mean cosine on the leading principal axes of the pool; inf without a burst.

    Args:
        vectors: Unit image vectors [N, D] float32.
        number: The burst of each image [N] int64.
    """
    axes = torch.nn.functional.normalize(principal_axes(vectors), dim=1)
    sizes = number.bincount().double()
    pairs = float((sizes * (sizes - 1)).sum()) / 2
    count = len(axes)
    if not pairs or count < 3:
        return float("inf")
    sums = torch.zeros(len(sizes), axes.shape[1]).index_add_(0, number, axes)
    within = float(sums.square().sum() - axes.square().sum()) / 2 / pairs
    usual = float(axes.sum(0).square().sum() - axes.square().sum()) / count / (count - 1)
    square = float((axes.T @ axes).square().sum() - axes.square().sum(1).square().sum()) / count / (count - 1)
    spread = max(square - usual**2, 1e-12) ** 0.5
    return (within - usual) / spread * pairs**0.5


def _likely(evidence: Evidence) -> Tensor:
    """What images say of each class [N, C], on average no surer than labels are right."""
    said, chance = evidence.log_p.exp(), 1 / evidence.log_p.shape[1]
    sure, right = float(said.max(1).values.mean()), float(evidence.sureness.confidence.mean())
    share = min(1.0, max(0.0, right - chance) / max(sure - chance, 1e-6))
    return share * said + (1 - share) * chance


def _share(log_odds: Tensor) -> float:
    """The mean of the share w, given how many times as likely [n] each of n things is where it is right.

    Each is w e^log_odds + 1 - w times as likely as chance has it.
    """
    grid = torch.linspace(0, MOST_TRUST, _GRID, dtype=torch.float64)
    before = torch.full((_GRID,), (1 - NOTHING - SAID) / _GRID, dtype=torch.float64)
    before[0] += NOTHING
    before[-1] += SAID
    fits = torch.logaddexp(grid.log()[:, None] + log_odds, (1 - grid).log()[:, None]).sum(1)
    return float((fits + before.log()).softmax(0) @ grid)
