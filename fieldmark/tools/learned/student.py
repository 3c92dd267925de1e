"""The linear student: multinomial logistic regression on image vectors, taught by a run's probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

DECAYS = (0.03, 0.003, 0.001, 0.0003)
"""Penalties on squared weights that compete, the strongest first."""
_STEPS = 60


@dataclass(frozen=True)
class Lesson:
    """What a pool teaches.

    Attributes:
        vectors: Unit image vectors [N, D] float32.
        target: Probability of each class [N, C] float32; rows sum to 1.
        weight: What each image counts [N] float32: how sure the run is of it, 0 where it is of no class.
    """

    vectors: Tensor
    target: Tensor
    weight: Tensor

    def rows(self, rows: Tensor) -> "Lesson":
        """Some of the images."""
        return Lesson(self.vectors[rows], self.target[rows], self.weight[rows])


@dataclass(frozen=True)
class LinearStudent:
    """Class scores that are linear in an image vector.

    Attributes:
        weight: [C, D] float32.
        bias: [C] float32.
    """

    weight: Tensor
    bias: Tensor

    def scores(self, vectors: Tensor) -> Tensor:
        """Class scores [N, C] of image vectors [N, D]."""
        return vectors @ self.weight.T + self.bias


def fit_students(lesson: Lesson, decays: Sequence[float] = DECAYS) -> list[LinearStudent]:
    """Fit one student for each decay, each from where the one before ended.

    Minimises sum_n w_n CE(target_n, softmax(W x_n + b)) / sum_n w_n + decay |W|², where x are the vectors
    less their mean, scaled to unit variance per number on average; both are folded into the result.

    Args:
        lesson: The pool, with at least one image that counts.
        decays: The penalties, the strongest first.
    """
    own, x = standardised(lesson)
    weight = x.new_zeros(lesson.target.shape[1], x.shape[1], requires_grad=True)
    bias = x.new_zeros(lesson.target.shape[1], requires_grad=True)
    found: list[LinearStudent] = []
    for decay in decays:
        _descend(weight, bias, x, lesson.target, own.share, decay)
        found.append(own.folded(weight.detach(), bias.detach()))
    return found


@dataclass(frozen=True)
class Standard:
    """How the vectors of a pool are standardised: less their mean, and scaled.

    Attributes:
        share: What each image counts [N] float32; sums to 1.
        mean: [D] float32.
        scale: One number for all.
    """

    share: Tensor
    mean: Tensor
    scale: Tensor

    def folded(self, weight: Tensor, bias: Tensor) -> LinearStudent:
        """Weights [C, D] of standardised vectors as weights of plain ones."""
        plain = weight / self.scale
        return LinearStudent(plain, bias - plain @ self.mean)


def standardised(lesson: Lesson) -> tuple[Standard, Tensor]:
    """The standard of a pool, and its vectors by it [N, D]."""
    share = lesson.weight / lesson.weight.sum().clamp(min=1e-9)
    mean = share @ lesson.vectors
    scale = (share @ (lesson.vectors - mean).square()).mean().sqrt().clamp(min=1e-6)
    return Standard(share, mean, scale), (lesson.vectors - mean) / scale


def _descend(weight: Tensor, bias: Tensor, x: Tensor, target: Tensor, share: Tensor, decay: float) -> None:
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, history_size=10, tolerance_change=1e-7, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        log_p = torch.addmm(bias, x, weight.T).log_softmax(1)
        value = -(share @ (target * log_p).sum(1)) + decay * weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
