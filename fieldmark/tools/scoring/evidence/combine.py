"""Combines what names and votes say into class probabilities that know how reliable each is here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fieldmark.tools.scoring.evidence.bursts import Bursts
from fieldmark.tools.scoring.evidence.groups import Groups, grouped
from fieldmark.tools.scoring.evidence.likeness import Likeness
from fieldmark.tools.scoring.evidence.names import NameEvidence, NameView, name_evidence
from fieldmark.tools.scoring.evidence.sureness import (
    Sureness,
    after_labels,
    crowding,
    sureness,
)
from fieldmark.tools.scoring.evidence.votes import scale_for, votes_accuracy

OWN_IMAGES = 20 / 3
"""An image's own evidence counts as much as that of so many others of its group: a quarter among twenty."""
MOST_SHARPENING = 3.0
"""The most that averaging over a group may add to its evidence, before the root is taken."""

CERTAIN = 30.0
"""Log-odds by which a label in its own image beats all other classes."""

SteeredVotes = Callable[[Tensor | None, Tensor | None], Tensor]
"""(attributes [m] int64 or None for all, name log-odds [N, C] or None) to class scores [N, C]: the table
rule on these attributes' votes. The name log-odds steer its corrections and are no part of the scores."""


@dataclass(frozen=True)
class Evidence:
    """Class probabilities, and all that they are made of.

    Attributes:
        names: What names say.
        votes: Log-odds by the votes, corrected with the names [N, C] float32; None without votes.
        votes_accuracy: Estimated top-1 of the votes by themselves; None without votes.
        votes_weight: The factor that the table rule's scores were multiplied by; 0 without votes.
        likeness: How alike the images are.
        groups: Which images lie together.
        temperature: What all log-odds are divided by; 1 without labels.
        spread: Evidence that labels give to the images around theirs [N, C] float32; None without labels.
        told: The labels [N, C] float32: 1 at a labelled image's class, 0 elsewhere; None without labels.
        before: The evidence without labels; None where this is it.
        judged: How many labelled images that taught nothing set weights and temperature. Where any did,
            probabilities are as sure as they should be.
        prior: Log-odds of each class by what is known beside the image [N, C] float32, see `with_beside`;
            None without.
        prior_trust: The share of images that the prior seems to be right about.
        bursts: Which images share a label; None where none do, or do not seem to.
    """

    names: NameEvidence
    votes: Tensor | None
    votes_accuracy: float | None
    votes_weight: float
    likeness: Likeness
    groups: Groups
    temperature: float = 1.0
    spread: Tensor | None = None
    told: Tensor | None = None
    before: "Evidence | None" = None
    judged: int = 0
    prior: Tensor | None = None
    prior_trust: float | None = None
    bursts: Bursts | None = None

    @cached_property
    def raw(self) -> Tensor:
        """What names and votes say of each image alone [N, C] float32."""
        return self.names.log_odds if self.votes is None else self.names.log_odds + self.votes

    @cached_property
    def by_views(self) -> Tensor:
        """What names and votes say of each image, and of those that share its label [N, C] float32."""
        return self.added(self.raw)

    def added(self, values: Tensor) -> Tensor:
        """What values [N, ...] of the images of a burst say together [N, ...]."""
        return values if self.bursts is None else self.bursts.added(values)

    @cached_property
    def own(self) -> Tensor:
        """Share of an image's own evidence against the mean evidence of its group [N, 1] float32.

        What bursts are worth counts on both sides.
        """
        shares = self.groups.shares
        counted = shares if self.bursts is None else shares / self.bursts.worth[:, None]
        return 1 / (1 + shares @ counted.sum(0)[:, None] / OWN_IMAGES)

    @cached_property
    def sharpening(self) -> float:
        """The factor on the mean evidence of a group: averages of many images say more than one does."""
        return _sharpening(self.by_views, self.groups)

    def pooled(self, values: Tensor) -> Tensor:
        """What values [N, K] that add up to the evidence add to the log-odds of each image [N, K].

        The rule is linear: parts of the evidence that sum to it pool to parts that sum to the answer.
        """
        values = self.added(values)
        mean = self.groups.pooled(values)
        return (self.own * values + (1 - self.own) * self.sharpening * mean) / self.temperature

    @cached_property
    def by_labels(self) -> Tensor | None:
        """What labels add to the log-odds [N, C] float32, in their own images what decides; None without."""
        if self.spread is None or self.told is None:
            return None
        spread = self.pooled(self.spread)
        without = self.beside_labels + spread
        return spread + self.told * (without.max(1, keepdim=True).values - without + CERTAIN)

    @cached_property
    def beside_labels(self) -> Tensor:
        """Log-odds of each class by all but labels [N, C] float32."""
        log_odds = self.pooled(self.raw)
        return log_odds if self.prior is None else log_odds + self.prior

    @cached_property
    def log_p(self) -> Tensor:
        """Log-probability of each class [N, C] float32."""
        log_odds = self.beside_labels
        return (log_odds if self.by_labels is None else log_odds + self.by_labels).log_softmax(1)

    @cached_property
    def sureness(self) -> Sureness:
        """How sure labels are (`sureness`, `after_labels`); a labelled image is sure of its label."""
        top, label = self.log_p.exp().max(1)
        if self.judged:
            return Sureness(confidence=top, certainty=top)
        told = torch.zeros_like(top) if self.told is None else self.told.sum(1)
        found = sureness(
            top,
            label,
            own=(self.by_views if self.prior is None else self.by_views + self.prior).argmax(1),
            by_votes=(1 - self.names.known[label]) * (1 - told),
            crowded=crowding(self.groups.shares.sum(0), self.names.known),
            votes_accuracy=self.votes_accuracy,
        )
        if self.told is None or self.before is None:
            return found
        known, named, taken = told > 0, self.told.sum(0) > 0, self.before.log_p.argmax(1)
        stays = taken == label
        contradicted = torch.zeros_like(named).index_fill(0, taken[known & ~stays], value=True)

        def sure(earlier: Tensor, now: Tensor) -> Tensor:
            others = after_labels(
                earlier, now, stays=stays, label=label, named=named, contradicted=contradicted
            )
            return torch.where(known, top, others)

        earlier = self.before.sureness
        return Sureness(
            confidence=sure(earlier.confidence, found.confidence),
            certainty=sure(earlier.certainty, found.certainty),
        )


def combine(
    vectors: Tensor, names: Sequence[NameView], votes: SteeredVotes | None = None, *, attributes: int = 0
) -> Evidence:
    """Class probabilities from names and votes, without a label.

    1. Names speak with a strength read off each name's own column (`name_evidence`).
    2. Votes are scaled to the accuracy that two halves of the attributes betray (`votes_accuracy`).
    3. Names steer the table's corrections and are not counted twice.
    4. Images are grouped around class means with that evidence E as prior (`grouped`).
    5. E is averaged over the group, not summed, as a group shares the mistakes of its votes. With n_c the
       images of a group and own_n = 1 / (1 + sum_c r[n,c] n_c / 6.7), a quarter among twenty images:

        log p[n,.] = log softmax(own_n E[n,.] + (1 - own_n) k sum_c r[n,c] mean_c E)

    The average of a group scatters less than one image does. Evidence E that is calibrated for one image
    has margins of variance V = 2 · their mean; the part s² of it that lies within groups averages out, so
    that the averages are worth k = sqrt(V / (V - s²(1 - 1/n))), at most sqrt(3). The root is a caution:
    groups are not pure.

    Args:
        vectors: Unit image vectors [N, D] float32.
        names: What the kinds of text that hold the class names score.
        votes: The table rule on the votes; None where there are none.
        attributes: How many attributes the votes are about.

    Returns:
        The evidence.
    """
    classes = names[0].cosines.shape[1]
    likeness = Likeness(vectors, classes=classes)
    named = name_evidence(names, likeness)
    evidence, corrected, accuracy, weight = named.log_odds, None, None, 0.0
    if votes is not None:
        accuracy = votes_accuracy(lambda which: votes(which, None), attributes=attributes, classes=classes)
        weight = scale_for(votes(None, None), accuracy)
        corrected = weight * votes(None, named.log_odds)
        evidence = evidence + corrected
    return Evidence(
        names=named,
        votes=corrected,
        votes_accuracy=accuracy,
        votes_weight=weight,
        likeness=likeness,
        groups=grouped(vectors, evidence),
    )


def _sharpening(evidence: Tensor, groups: Groups) -> float:
    """How much more the mean evidence of a group is worth than that of one image."""
    if evidence.shape[1] < 2:
        return 1.0
    count = groups.shares.sum(0)
    best = groups.means(evidence).topk(2, dim=1)
    label, rival = best.indices.T
    margin = best.values[:, 0] - best.values[:, 1]
    apart = evidence[:, label] - evidence[:, rival] - margin
    share = groups.shares / count.clamp(min=1e-6)
    scatter = (share * apart.square()).sum(0)
    many = count > 1.5
    whole = float((2 * count * margin)[many].sum())
    averaged = float((count * scatter * (1 - 1 / count.clamp(min=1)))[many].sum())
    if whole <= 0:
        return 1.0
    return min(MOST_SHARPENING, whole / max(whole - averaged, whole / MOST_SHARPENING)) ** 0.5
