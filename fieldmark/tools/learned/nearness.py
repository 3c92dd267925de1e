"""How near class scores are to a run's probabilities, at the temperature that brings them nearest."""

import torch
from torch import Tensor

from fieldmark.tools.learned.student import Lesson

_TEMPERATURES = torch.logspace(-2, 2, 161)


def calibrated(scores: Tensor, lesson: Lesson) -> tuple[float, float]:
    """The temperature that brings scores [N, C] nearest to the run's probabilities, and the cross-entropy."""
    share = lesson.weight / lesson.weight.sum().clamp(min=1e-9)

    def cross_entropy(temperature: float) -> float:
        return -float(share @ (lesson.target * (scores / temperature).log_softmax(1)).sum(1))

    best = min(_TEMPERATURES.tolist(), key=cross_entropy)
    return best, cross_entropy(best)


def cross_entropies(scores: Tensor, lesson: Lesson) -> Tensor:
    """The cross-entropy of each image [N] at that temperature, times what the image counts."""
    share = lesson.weight / lesson.weight.mean().clamp(min=1e-9)
    best = calibrated(scores, lesson)[0]
    return -share * (lesson.target * (scores / best).log_softmax(1)).sum(1)
