"""Fitness functions: rank candidates by their results on the training images."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fieldmark.tools.search.algebra import Outcomes

DIGITS = 9
"""Fitness is rounded to so many decimals, so that the last bits of a sum decide nothing."""


class Fitness(Protocol):
    """Maps outcomes to one number a candidate; higher is fitter. It never raises."""

    def __call__(self, outcomes: Outcomes) -> Tensor:
        """Fitness `[B]` float64."""
        ...


def top(outcomes: Outcomes, k: int) -> Tensor:
    """Share of images whose true class is among the best k `[B]`, float64."""
    return (outcomes.rank < k).to(torch.float64).mean(1)


@dataclass(frozen=True)
class EntropyFitness:
    """`w1·top1% + w5·top5% − w_ce·CE − penalty·parts`: ProAPO's, with its entropy term.

    At the default weights one nat of cross-entropy weighs as much as 100 points of accuracy: the entropy
    leads, and chooses among the many candidates that a few images cannot tell apart.

    Source: Qu et al. 2025 (ProAPO), section 3.3 and released code.

    Attributes:
        w1: Weight of top-1 in per cent.
        w5: Weight of top-5 in per cent.
        w_ce: Weight of the mean cross-entropy in nats.
        penalty: What each part costs: a guard against long books.
    """

    w1: float = 0.1
    w5: float = 0.1
    w_ce: float = 10.0
    penalty: float = 0.0

    def __call__(self, outcomes: Outcomes) -> Tensor:
        """See `Fitness`."""
        value = 100 * (self.w1 * top(outcomes, 1) + self.w5 * top(outcomes, 5))
        value = value - self.w_ce * outcomes.loss.mean(1) - self.penalty * outcomes.size
        return value.round(decimals=DIGITS)


@dataclass(frozen=True)
class AccuracyFitness:
    """Top-1 in per cent and nothing else: the control for the entropy term.

    Attributes:
        penalty: What each part costs.
    """

    penalty: float = 0.0

    def __call__(self, outcomes: Outcomes) -> Tensor:
        """See `Fitness`."""
        return (100 * top(outcomes, 1) - self.penalty * outcomes.size).round(decimals=DIGITS)


@dataclass(frozen=True)
class LexicographicFitness:
    """Top-1 first; among equals the lower cross-entropy.

    Attributes:
        penalty: What each part costs, in per cent of top-1.
    """

    penalty: float = 0.0

    def __call__(self, outcomes: Outcomes) -> Tensor:
        """See `Fitness`."""
        images = outcomes.rank.shape[1]
        # A loss of any size is squeezed into less than what one image more or less makes.
        tie = outcomes.loss.mean(1)
        squeezed = tie / (1 + tie)
        value = 100 * top(outcomes, 1) - 99 / images * squeezed
        return (value - self.penalty * outcomes.size).round(decimals=DIGITS)


def fitness_named(name: str, *, penalty: float = 0.0) -> Fitness:
    """The fitness of that name: "entropy", "accuracy" or "lexicographic".

    Raises:
        KeyError: There is no such fitness.
    """
    made = {"entropy": EntropyFitness, "accuracy": AccuracyFitness, "lexicographic": LexicographicFitness}
    return made[name](penalty=penalty)
