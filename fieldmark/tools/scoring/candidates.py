"""Which classes an image may still be: margin, top-k and conformal rules, each nested in what was left."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fieldmark.errors import InputError


class CandidateRule(Protocol):
    """Keeps some of the classes that were left. A rule can only remove, never bring back.

    A row with nothing left stays empty. Implementations raise `InputError` where shapes do not fit.
    """

    def __call__(self, probabilities: Tensor, previous: Tensor) -> Tensor:
        """Candidates [N, C] bool, each row within `previous` [N, C] bool, from probabilities [N, C]."""
        ...


@dataclass(frozen=True)
class Margin:
    """Keep classes at least `tau` times as likely as the likeliest one left, at most `k` of them.

    Never empties a row that had candidates.

    Attributes:
        tau: Share of the top probability, in (0, 1].
        k: The most classes kept per image; it must exceed the size of a group of look-alikes, or the
            true class is lost before anything was asked.
    """

    tau: float = 0.1
    k: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.tau <= 1 or self.k < 1:
            raise InputError(f"Margin rule with tau {self.tau} and k {self.k}.", hint="0 < tau <= 1, k >= 1.")

    def __call__(self, probabilities: Tensor, previous: Tensor) -> Tensor:
        """See `CandidateRule`."""
        left = _within(probabilities, previous)
        near = left >= self.tau * left.max(dim=1, keepdim=True).values.clamp(min=0)
        return _top(left, self.k) & near & previous


@dataclass(frozen=True)
class TopK:
    """Keep the `k` likeliest of the classes left: FuDD's rule. It never resolves an image by itself.

    Attributes:
        k: Classes kept per image, at least 2.
    """

    k: int = 10

    def __post_init__(self) -> None:
        if self.k < 2:
            raise InputError(f"Top-k rule with k = {self.k}.", hint="Use k >= 2; it never resolves an image.")

    def __call__(self, probabilities: Tensor, previous: Tensor) -> Tensor:
        """See `CandidateRule`."""
        return _top(_within(probabilities, previous), self.k) & previous


@dataclass(frozen=True)
class Conformal:
    """Split conformal prediction: keep class c if 1 - p_c is at most a calibrated threshold.

    More than one class left means ambiguous, none means rejected. For exchangeable calibration and test
    images the true class is kept with probability at least 1 - alpha **on average over images**
    (marginal coverage), not for each class or each kind of image. This holds only if the calibration
    images passed through the identical loop, rounds and earlier removals included.

    Source: Vovk et al. 2005; Angelopoulos & Bates 2023, section 1.

    Attributes:
        threshold: Largest nonconformity 1 - p that is kept; infinite where the calibration images are
            too few for alpha (then every class is kept).
        alpha: The error rate that was asked for.
        calibration_images: How many labelled images set the threshold.
    """

    threshold: float
    alpha: float
    calibration_images: int

    @classmethod
    def calibrate(cls, probabilities: Tensor, labels: Tensor, *, alpha: float = 0.1) -> "Conformal":
        """Set the threshold from labelled images.

        With n images it is the ceil((n + 1)(1 - alpha))-th smallest nonconformity, the finite-sample
        quantile. Where that rank passes n (n < 1/alpha - 1: fewer than 9 images for alpha = 0.1) no
        finite threshold can promise the coverage, and it is infinite: nothing is removed.

        Args:
            probabilities: Class probabilities of the calibration images [n, C].
            labels: Their true classes [n], int64.
            alpha: Share of images that may lose their true class, in (0, 1).

        Raises:
            InputError: If alpha is out of range or labels do not fit.
        """
        scores = 1 - _of_labels(probabilities, labels)
        return cls(conformal_quantile(scores, alpha=alpha), alpha, len(labels))

    def __call__(self, probabilities: Tensor, previous: Tensor) -> Tensor:
        """See `CandidateRule`."""
        _check(probabilities, previous)
        return (1 - probabilities <= self.threshold) & previous


@dataclass(frozen=True)
class RegularisedConformal:
    """RAPS: sets grow by cumulative probability, with a penalty on classes far down the ranking.

    The nonconformity of class c is the probability of all classes at least as likely as c, plus
    `penalty` for every rank beyond `free_ranks`. This is the deterministic form (no randomisation), so
    coverage is at least 1 - alpha and sets are slightly larger. The promise is that of `Conformal`.

    Source: Angelopoulos et al. 2021.

    Attributes:
        threshold: Largest nonconformity that is kept.
        alpha: The error rate that was asked for.
        calibration_images: How many labelled images set the threshold.
        penalty: The paper's lambda.
        free_ranks: The paper's k_reg.
    """

    threshold: float
    alpha: float
    calibration_images: int
    penalty: float = 0.01
    free_ranks: int = 5

    @classmethod
    def calibrate(
        cls,
        probabilities: Tensor,
        labels: Tensor,
        *,
        alpha: float = 0.1,
        penalty: float = 0.01,
        free_ranks: int = 5,
    ) -> "RegularisedConformal":
        """Set the threshold from labelled images; see `Conformal.calibrate`."""
        scores = _of_labels(_cumulative(probabilities, penalty, free_ranks), labels)
        return cls(conformal_quantile(scores, alpha=alpha), alpha, len(labels), penalty, free_ranks)

    def __call__(self, probabilities: Tensor, previous: Tensor) -> Tensor:
        """See `CandidateRule`."""
        _check(probabilities, previous)
        return (_cumulative(probabilities, self.penalty, self.free_ranks) <= self.threshold) & previous


def conformal_quantile(scores: Tensor, *, alpha: float) -> float:
    """The ceil((n + 1)(1 - alpha))-th smallest of n scores; infinite where that rank passes n.

    Args:
        scores: Nonconformity scores [n].
        alpha: In (0, 1).

    Raises:
        InputError: If alpha is out of range or there are no scores.
    """
    count = len(scores)
    if not 0 < alpha < 1 or count == 0:
        raise InputError(
            f"Conformal calibration with alpha {alpha} and {count} labelled images.",
            hint="Use 0 < alpha < 1 and at least one labelled image.",
        )
    # (9 + 1) * (1 - 0.7) is 3.0000000000000004 in floating point: the rank must still be 3.
    rank = math.ceil((count + 1) * (1 - alpha) - 1e-9)
    return math.inf if rank > count else float(scores.sort().values[max(rank, 1) - 1])


def class_probabilities(scores: Tensor, temperature: float, *, within: Tensor | None = None) -> Tensor:
    """Softmax of scores / temperature, over the classes left.

    Args:
        scores: Class scores [N, C]; -inf for classes out of the running.
        temperature: Above 0; see `spread_temperature`.
        within: Classes left [N, C] bool; all where not given.

    Returns:
        Probabilities [N, C], float32; a row with no class left is all zero.
    """
    if not temperature > 0:
        raise InputError(f"Temperature {temperature}.", hint="Use a temperature above 0.")
    scaled = scores.to(torch.float32) / temperature
    if within is not None:
        scaled = scaled.masked_fill(~within, -torch.inf)
    return scaled.softmax(dim=1).nan_to_num(0.0)


def with_confidence(probabilities: Tensor, confidence: Tensor) -> Tensor:
    """Probabilities whose best is the confidence, in the same order.

    What is taken off the best is spread evenly; what is added comes off the others in proportion.

    Args:
        probabilities: Of each class [N, C], rows summing to 1.
        confidence: Of the best of each row [N]; below 1/C it counts as 1/C.

    Returns:
        [N, C] float32, rows summing to 1.
    """
    classes = probabilities.shape[1]
    best, label = probabilities.max(1)
    evenly = ((best - confidence) / (best - 1 / classes).clamp(min=1e-9)).clamp(0, 1)[:, None]
    lowered = probabilities * (1 - evenly) + evenly / classes
    raised = probabilities * ((1 - confidence) / (1 - best).clamp(min=1e-9))[:, None]
    raised = raised.scatter(1, label[:, None], confidence[:, None])
    return torch.where((confidence > best)[:, None], raised, lowered)


SPREAD_IMAGES = 500
"""About so many images, evenly spaced, settle a temperature; more would not move it."""


def spread_temperature(scores: Tensor, *, rivals: float = 4.0) -> float:
    """The temperature at which an image's probability spreads over `rivals` classes on average.

    Rule: the T for which the mean over images of the entropy of softmax(scores / T) equals
    ln(min(rivals, (1 + C) / 2)), found by bisection on ln T. The mean entropy grows with T without
    turning, so there is one answer, the same on every run. No labels are used: it undoes the
    saturation of trained logit scales, and calibrates nothing. Fix it once per encoder and task (on the
    first scores of the first pool, say) and keep it over all rounds, so that probabilities sharpen only
    because evidence came in.

    Args:
        scores: Class scores [N, C] of a pool; -inf for classes out of the running.
        rivals: The perplexity aimed at, above 1.

    Returns:
        The temperature, in (1e-6, 1e6); 1.0 where no temperature can matter (one class, no images, or
        scores that are all equal).

    Raises:
        InputError: If `rivals` is not above 1.
    """
    if not rivals > 1:
        raise InputError(f"Spread over {rivals} rivals.", hint="Aim at a perplexity above 1.")
    count, classes = scores.shape
    if count == 0 or classes < 2:
        return 1.0
    rows = scores.to(torch.float64)
    rows = rows[~rows.isinf().all(dim=1)]
    rows = rows[:: max(1, len(rows) // SPREAD_IMAGES)]
    span = rows.max(dim=1).values - rows.masked_fill(rows.isinf(), torch.inf).min(dim=1).values
    if not bool((span > 0).any()):
        return 1.0
    aim = math.log(min(rivals, (1 + classes) / 2))
    low, high = math.log(1e-6), math.log(1e6)
    for _ in range(60):
        middle = (low + high) / 2
        log_p = (rows / math.exp(middle)).log_softmax(1)
        entropy = -(log_p.exp() * log_p.masked_fill(log_p.isinf(), 0.0)).sum(1).mean()
        low, high = (middle, high) if float(entropy) < aim else (low, middle)
    return math.exp((low + high) / 2)


def _check(probabilities: Tensor, previous: Tensor) -> None:
    if probabilities.shape != previous.shape or previous.dtype != torch.bool:
        raise InputError(
            f"Candidates {tuple(previous.shape)} ({previous.dtype}) do not fit probabilities "
            f"{tuple(probabilities.shape)}.",
            hint="Give one bool per image and class.",
        )


def _within(probabilities: Tensor, previous: Tensor) -> Tensor:
    _check(probabilities, previous)
    return probabilities.masked_fill(~previous, -torch.inf)


def _top(left: Tensor, k: int) -> Tensor:
    """The k best per row, as bool; among equals the class that comes first."""
    kept = torch.zeros_like(left, dtype=torch.bool)
    order = left.argsort(dim=1, descending=True, stable=True)[:, :k]
    return kept.scatter_(1, order, True)


def _of_labels(values: Tensor, labels: Tensor) -> Tensor:
    fits = labels.shape == values.shape[:1]
    if not fits or bool(((labels < 0) | (labels >= values.shape[1])).any()):
        raise InputError(
            f"Labels {tuple(labels.shape)} do not fit probabilities {tuple(values.shape)}.",
            hint="Give one class index per calibration image.",
        )
    return values.gather(1, labels[:, None]).squeeze(1)


def _cumulative(probabilities: Tensor, penalty: float, free_ranks: int) -> Tensor:
    ordered = probabilities.sort(dim=1, descending=True, stable=True)
    ranks = torch.arange(1, probabilities.shape[1] + 1)
    scores = ordered.values.cumsum(1) + penalty * (ranks - free_ranks).clamp(min=0)
    return torch.zeros_like(probabilities).scatter_(1, ordered.indices, scores.to(probabilities.dtype))
