"""How sure a label is: by the sizes of groups, and by how often single images agree with their group."""

from dataclasses import dataclass

import torch
from torch import Tensor

USUAL = 0.33
"""The usual size of a group is that which so many of the images lie at or below."""
UNEVEN = 0.25
"""Where groups of known names are crowded this much, classes differ in size, and sizes say nothing more."""
FEW_KNOWN = 8
"""With fewer known names than this their sizes count for less."""
CROWDED = 0.8
"""Share of the images beyond the usual size that are taken to be of another class."""
CROWDED_KNOWN = 0.5
"""How much of that counts for a class whose name the encoder knows."""
WRONG = 1.75
"""Labels by votes alone that are wrong, for each image that is beyond the usual size: classes are swapped,
too, and that shows in no size."""
EVEN = 0.5, 0.7
"""Perplexity of the sizes over the number of classes: below the first, accuracy is not read off the sizes;
from the second on it is."""
LEAST_SHIFT, MOST_SHIFT = -0.5, 1.0
"""Log-odds by which confidence may be moved towards the accuracy that sizes and agreement betray."""
LEAST_IMAGES = 20.0
"""Fewer images by votes alone betray no accuracy."""
SHARED_MISTAKE = 0.25
"""Times (1 - accuracy): chance that several votes on a class are wrong together, and that its images are of
an unlisted class that looks like it. Neither shows in this pool, so it is no part of the confidence, which
is about the listed classes, but nothing is resolved without it."""
_BISECTIONS = 40
_NEARLY = 1e-5


@dataclass(frozen=True)
class Crowding:
    """What the sizes of the groups say of the labels.

    Attributes:
        beyond: Share of each group that is beyond the usual size, and may belong to classes that have too
            few images [C] float32 in 0..1.
        trust: How far an accuracy can be read off the sizes, 0..1.
    """

    beyond: Tensor
    trust: float


@dataclass(frozen=True)
class Sureness:
    """How sure labels are.

    Attributes:
        confidence: Estimated chance that each label is right, if it is one of the classes [N] float32.
        certainty: The same, less what no sign in the pool can show [N] float32; for decisions.
    """

    confidence: Tensor
    certainty: Tensor


def crowding(sizes: Tensor, known: Tensor) -> Crowding:
    """Find groups that hold more images than one class usually has, while other classes have too few.

    A class whose row of answers is wrong loses its images to a look-alike, whose group is then twice as large
    as usual. With n the sizes and m the usual one, a third of all images lying in groups of at most m:

        beyond_c = (1 - m/n_c)+ · min(1, sum (m-n)+ / sum (n-m)+) · r

    Sizes say this only where classes have about as many images each. Known names tell: with b the mean of
    (1 - m/n)+ over images of known names, r = (1 - b/.25)+, or nearer 1 with fewer than eight known names.

    Args:
        sizes: Images in each group [C] float32.
        known: Belief that the encoder knows each name [C] float32.
    """
    total = sizes.sum().clamp(min=_NEARLY)
    ranked = sizes.sort().values
    place = int((ranked.cumsum(0) < USUAL * total).sum().clamp(max=len(ranked) - 1))
    usual = ranked[place]
    above, below = (sizes - usual).clamp(min=0), (usual - sizes).clamp(min=0)
    share = above / sizes.clamp(min=_NEARLY)
    fitting = (below.sum() / above.sum().clamp(min=_NEARLY)).clamp(max=1)
    weight = known * sizes
    uneven = ((weight * share).sum() / weight.sum().clamp(min=_NEARLY) / UNEVEN).clamp(max=1)
    alike = 1 - uneven * (known.sum() / FEW_KNOWN).clamp(max=1)
    parts = (sizes / total).clamp(min=1e-9)
    perplexity = float((-(parts * parts.log()).sum()).exp()) / len(sizes)
    even = min(1.0, max(0.0, (perplexity - EVEN[0]) / (EVEN[1] - EVEN[0])))
    return Crowding(beyond=share * fitting * alike, trust=even * float(alike))


def agreement(own: Tensor, label: Tensor, weight: Tensor) -> float:
    """How often the evidence of a single image names its group's label, beyond chance: 0..1 or less.

    With a the share of agreeing images and g the same of groups drawn at random, each with the label that
    most of its images name: (a - g) / (1 - g). Noise that hides the marks makes groups of about one size,
    too, and shows here.

    Args:
        own: The class that each image's own evidence prefers [N] int64.
        label: Its label [N] int64.
        weight: How much each image counts [N].
    """
    total = weight.sum().clamp(min=_NEARLY)
    drawn = label[torch.randperm(len(label), generator=torch.Generator().manual_seed(0))]
    most = max(1, int(own.max()) + 1) if len(own) else 1
    pairs, place = torch.unique(drawn * most + own, return_inverse=True)
    count = torch.zeros(len(pairs)).index_add_(0, place, weight)
    groups, group = torch.unique(pairs // most, return_inverse=True)
    largest = torch.zeros(len(groups)).scatter_reduce_(0, group, count, "amax")
    chance = min(float(largest.sum() / total), 1 - _NEARLY)
    return (float(((own == label) * weight).sum() / total) - chance) / (1 - chance)


def sureness(
    top: Tensor,
    label: Tensor,
    *,
    own: Tensor,
    by_votes: Tensor,
    crowded: Crowding,
    votes_accuracy: float | None,
) -> Sureness:
    """Confidence in each label, and the certainty to decide by.

    With p the probability of the label, b the share of its group beyond the usual size, and v how far votes
    alone speak for it:

        p'         = p (1 - .8 b (v + (1 - v)/2))
        confidence = sigmoid(logit p' + d v),  the d in -.5..1 at which its mean, weighed by v, is the
                     smaller of 1 - 1.75 · mean b, as labels are wrong as often as sizes betray, and of
                     `agreement`
        certainty  = confidence (1 - .25 v (1 - a)),  a the mean of `votes_accuracy` and of what sizes betray

    Sizes that cannot be trusted only lower either.

    Args:
        top: Probability of each image's label [N].
        label: The label [N] int64.
        own: The class that each image's own evidence prefers [N] int64.
        by_votes: How far votes alone speak for the label [N] in 0..1: its name is not known.
        crowded: From `crowding`.
        votes_accuracy: Estimated top-1 of the votes by themselves; None without votes.
    """
    beyond = crowded.beyond[label]
    sure = top * (1 - CROWDED * beyond * (by_votes + CROWDED_KNOWN * (1 - by_votes)))
    accuracy, images = votes_accuracy or 0.0, float(by_votes.sum())
    if votes_accuracy is not None and images > LEAST_IMAGES:
        betrayed = max(0.0, 1 - WRONG * float((beyond * by_votes).sum()) / images)
        now = float((sure * by_votes).sum()) / images
        mean = min(_trusted(betrayed, crowded.trust, now), max(0.0, agreement(own, label, by_votes)))
        sure = _moved(sure, by_votes, mean)
        accuracy = (accuracy + _trusted(betrayed, crowded.trust, accuracy)) / 2
    return Sureness(confidence=sure, certainty=sure * (1 - SHARED_MISTAKE * by_votes * (1 - accuracy)))


def after_labels(
    before: Tensor, now: Tensor, *, stays: Tensor, label: Tensor, named: Tensor, contradicted: Tensor
) -> Tensor:
    """How sure labels are once some images were labelled by people [N] float32.

    Labels make images more sure of the classes that they name, and what is found now counts where they speak
    against a class or moved an image. Of other images they say nothing: what sizes betray of the whole pool
    would blame mistakes on these that labels have mended.

    Args:
        before: How sure each image's label was without the labels [N].
        now: The same with them [N].
        stays: Whether the label is as it was [N] bool.
        label: The label now [N] int64.
        named: Classes that labels name [C] bool.
        contradicted: Classes that a labelled image was taken for, and is not [C] bool.
    """
    here = torch.where(stays & ~contradicted[label], before, now)
    return torch.where(named[label], torch.maximum(before, now), here)


def _trusted(betrayed: float, trust: float, otherwise: float) -> float:
    """What sizes betray as far as they can be trusted, and no more than the other estimate beyond that."""
    return trust * betrayed + (1 - trust) * min(betrayed, otherwise)


def _moved(values: Tensor, weight: Tensor, mean: float) -> Tensor:
    """Probabilities moved along the logit, by weight, until their weighed mean is given."""
    logits = values.clamp(_NEARLY, 1 - _NEARLY).logit()
    low, high = LEAST_SHIFT, MOST_SHIFT
    total = weight.sum()
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if float(((logits + middle * weight).sigmoid() * weight).sum() / total) < mean:
            low = middle
        else:
            high = middle
    return torch.where(weight > 0, (logits + low * weight).sigmoid(), values)
