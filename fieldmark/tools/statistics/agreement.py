"""How well yes-or-no judgements agree: F1, average precision, recall at a precision, kappa, intervals.

Every metric takes weights, one row of them for each bootstrap replicate, so that a thousand replicates are
one call.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from fieldmark.errors import InputError
from fieldmark.tools.statistics.resample import (
    Floats,
    Interval,
    PairedDifference,
    bootstrap,
    bootstrap_of_means,
    ends,
    sign_flip_p,
)

Metric = Callable[[Floats, Floats, Floats], Floats]
"""Truth 0 or 1 `[N]`, prediction or score `[N]`, weights `[R, N]` → values `[R]`; NaN where undefined."""

RESAMPLES = 1000
EXACT = 1 << 16
"""Sign flips over data sets: all of them for up to 16 data sets."""


def f1(truth: Floats, predicted: Floats, weights: Floats) -> Floats:
    """F1 of the positives, `2tp / (2tp + fp + fn)`; 0 where no positive is found, NaN where there is none."""
    tp = weights @ (truth * predicted)
    wrong = weights @ np.abs(truth - predicted)
    positives = weights @ truth
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(positives > 0, 2 * tp / (2 * tp + wrong), np.nan)


def kappa(first: Floats, second: Floats, weights: Floats) -> Floats:
    """Cohen's kappa (1960); NaN where chance alone would agree always."""
    total = weights.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        agreed = weights @ (first == second).astype(np.float64) / total
        yes = (weights @ first / total) * (weights @ second / total)
        no = (1 - weights @ first / total) * (1 - weights @ second / total)
        expected = yes + no
        # Sums of fractional weights miss 1 by their rounding, which divided by itself is any number.
        return np.where(1 - expected > 1e-12, (agreed - expected) / (1 - expected), np.nan)


def average_precision(truth: Floats, scores: Floats, weights: Floats) -> Floats:
    """Area under the precision-recall curve as `Σ (R_n − R_{n−1}) P_n`, equal scores as one step."""
    precision, recall = _curve(truth, scores, weights)
    gained = np.diff(recall, axis=-1, prepend=0.0)
    return (precision * gained).sum(-1)


def auroc(truth: Floats, scores: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve: how often a positive has the higher score than a negative.

    Equal scores count half (Mann & Whitney 1947); NaN where one side is empty.
    """
    _, place = np.unique(scores, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(place.max() + 1))
    positive = np.add.reduceat((weights * truth)[..., order], starts, axis=-1)
    negative = np.add.reduceat((weights * (1 - truth))[..., order], starts, axis=-1)
    below = np.cumsum(negative, axis=-1) - negative
    won = (positive * (below + negative / 2)).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return won / (positive.sum(-1) * negative.sum(-1))


def recall_at_precision(truth: Floats, scores: Floats, weights: Floats, *, precision: float = 0.9) -> Floats:
    """The highest recall of any threshold with at least that precision; 0 where there is none."""
    reached, recall = _curve(truth, scores, weights)
    found = np.where(reached >= precision, recall, 0.0).max(-1)
    return np.where(np.isnan(recall[..., -1]), np.nan, found)


def best_threshold(
    truth: ArrayLike,
    scores: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    false_positive: float | None = None,
    false_negative: float | None = None,
) -> float:
    """The threshold (from it on a score is "in") with the least cost, or without costs with the best F1.

    It lies midway between two scores, so that rounding the scores changes nothing.

    Args:
        truth: 0 or 1 `[N]`, or the probability of 1.
        scores: `[N]`.
        weights: `[N]`; all 1 where not given.
        false_positive: Cost of one; with `false_negative`.
        false_negative: Cost of one.

    Raises:
        InputError: There is nothing to choose by, or one cost alone is given.
    """
    if (false_positive is None) != (false_negative is None):
        raise InputError("One cost says nothing without the other.", hint="Give both or none.")
    y, s, w = _flat(truth, scores, weights)
    order = np.argsort(-s, kind="stable")
    y, s, w = y[order], s[order], w[order]
    # After the k best: what is in among them, and what is in beyond.
    tp = np.concatenate([[0.0], np.cumsum(w * y)])
    fp = np.concatenate([[0.0], np.cumsum(w * (1 - y))])
    if false_positive is None or false_negative is None:
        worth = 2 * tp / np.maximum(2 * tp + fp + (tp[-1] - tp), 1e-12)
    else:
        worth = -(false_positive * fp + false_negative * (tp[-1] - tp))
    open_cut = np.concatenate([[True], s[1:] < s[:-1], [True]])
    best = int(np.where(open_cut, worth, -np.inf).argmax())
    if best == 0:
        return float(np.nextafter(s[0], np.inf))
    return float(s[-1]) if best == len(s) else float((s[best - 1] + s[best]) / 2)


def estimate(
    metric: Metric,
    truth: ArrayLike,
    predicted: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """A metric with its 95% interval, by resampling items with their weights.

    Args:
        metric: One of this module's, or one of its kind.
        truth: 0 or 1 `[N]`.
        predicted: 0 or 1, or scores `[N]`.
        weights: `[N]`; all 1 where not given.
        resamples: Bootstrap replicates.
        seed: Decides them.

    Raises:
        InputError: Lengths differ, or there are no items.
    """
    y, s, w = _flat(truth, predicted, weights)
    value = float(metric(y, s, w[None])[0])
    if np.isnan(value):
        return Interval(value, value, value)
    made = replicates(metric, y, s, weights=w, resamples=resamples, seed=seed)
    return Interval(value, *ends(made))


def replicates(
    metric: Metric,
    truth: ArrayLike,
    predicted: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Floats:
    """Values of a metric over bootstrap replicates `[R]`; the same seed and N resample the same items."""
    y, s, w = _flat(truth, predicted, weights)
    return bootstrap(lambda drawn: metric(y, s, drawn * w), len(y), resamples=resamples, seed=seed)


def pooled(values: Sequence[float], resampled: Sequence[Floats]) -> Interval:
    """The mean over data sets, with an interval from resampling data sets, and items within each.

    Args:
        values: The metric on each data set.
        resampled: Its replicates on each, `[R]`.
    """
    means = bootstrap_of_means(np.stack(list(resampled)))
    return Interval(float(np.mean(values)), *ends(means))


def pooled_difference(
    first: Sequence[float],
    second: Sequence[float],
    resampled_first: Sequence[Floats],
    resampled_second: Sequence[Floats],
) -> PairedDifference:
    """Mean of first minus second over data sets; both were measured on the same items with the same seeds."""
    gaps = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    drawn = np.stack(list(resampled_first)) - np.stack(list(resampled_second))
    means = bootstrap_of_means(drawn)
    return PairedDifference(float(gaps.mean()), *ends(means), p=sign_flip_p(gaps, flips=EXACT))


def _curve(truth: Floats, scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Precision and recall `[R, T]` at each distinct score, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    last = np.concatenate([scores[order][1:] < scores[order][:-1], [True]])
    w = weights[..., order]
    tp = np.cumsum(w * truth[order], axis=-1)[..., last]
    chosen = np.cumsum(w, axis=-1)[..., last]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(chosen > 0, tp / chosen, 1.0)
        recall = tp / tp[..., -1:]
    return precision, recall


def _flat(truth: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    y = np.asarray(truth, dtype=np.float64).reshape(-1)
    s = np.asarray(predicted, dtype=np.float64).reshape(-1)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64).reshape(-1)
    if not len(y) or not len(y) == len(s) == len(w):
        raise InputError(
            f"Agreement needs as many judgements as items, not {len(y)}, {len(s)} and {len(w)} weights.",
            hint="Give at least one item.",
        )
    return y, s, w
