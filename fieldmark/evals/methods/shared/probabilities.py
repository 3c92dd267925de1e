"""Probabilities that labelled images calibrate, and labelled images that had no part in it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.metrics.calibration import fit_temperature
from fieldmark.tools.scoring.candidates import class_probabilities
from fieldmark.tools.search.folds import draw_folds
from fieldmark.tools.search.generation import search_seed


@dataclass(frozen=True)
class Calibrated:
    """A temperature, and what it makes of images that did not set it.

    Attributes:
        temperature: What scores are divided by before the softmax.
        held_out: Probabilities of the other labelled images `[n, C]` float32.
        labels: Their true classes `[n]` int64.
    """

    temperature: float
    held_out: Tensor
    labels: Tensor

    def probabilities(self, scores: Tensor) -> Tensor:
        """Probabilities `[N, C]` float32 of other images, from scores of the same kind."""
        return class_probabilities(scores, self.temperature)


def calibrate(scores: Tensor, labels: Tensor, *, seed: int) -> Calibrated:
    """Fit a temperature on half the labelled images of each class, drawn at random, and keep the others.

    A conformal threshold holds what it promises only where the images that set it had no other part in the
    probabilities, and where every class is among them as it is among the images to come.

    Args:
        scores: Scores of the labelled images `[S, C]`.
        labels: Their true classes `[S]` int64.
        seed: Decides which half.

    Raises:
        InputError: There is no labelled image, or a class has one alone.
    """
    if bool((torch.bincount(labels) == 1).any()):
        raise InputError(
            "Conformal candidates need two labelled images of each class: one for the temperature, one for "
            "the threshold.",
            hint="Give two shots or more.",
            field="shots",
        )
    half = draw_folds(labels, 2, search_seed(seed, "calibrate"))
    fit, kept = half == 0, half == 1
    temperature = fit_temperature(scores[fit], labels[fit])
    return Calibrated(temperature, class_probabilities(scores[kept], temperature), labels[kept])


def log_shares(shares: Tensor) -> Tensor:
    """Logarithms of shares `[N, C]`; finite, since a class at 0 is not out of the running."""
    return shares.clamp(min=torch.finfo(shares.dtype).tiny).log()
