"""Probabilities that labelled images calibrate, and labelled images that had no part in it.

It knows nothing of methods or of what is decided by probabilities.
"""

from dataclasses import dataclass

from torch import Tensor

from fieldmark.tools.calibration import fit_temperature
from fieldmark.tools.scoring.candidates import class_probabilities


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


def calibrate(scores: Tensor, labels: Tensor) -> Calibrated:
    """Fit a temperature on every second labelled image, and keep the others.

    A conformal threshold holds what it promises only where the images that set it had no other part in the
    probabilities. Images come class by class, so that both halves hold the same share of each.

    Args:
        scores: Scores of the labelled images `[S, C]`.
        labels: Their true classes `[S]` int64.

    Raises:
        InputError: There is no labelled image.
    """
    temperature = fit_temperature(scores[::2], labels[::2]).value
    return Calibrated(temperature, class_probabilities(scores[1::2], temperature), labels[1::2])
