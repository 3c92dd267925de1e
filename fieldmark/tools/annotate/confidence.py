"""How far an annotator's calls can be trusted: what it states, corrected by the owner's labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldmark.records import Label, Verdict

LEAST_LABELS = 20
"""Labelled images with a call below which the annotator's own word stands, and is said to be its own."""
FARTHEST = 0.99
"""Statements surer than this count as this: "no doubt at all" has no log-odds."""
SPREAD_OF_SHIFT, SPREAD_OF_SLOPE = 1.0, 0.5
"""How far labels are expected to move the stated log-odds, and to stretch them (the prior of the fit)."""


@dataclass(frozen=True)
class Confidence:
    """Probability of "in": `sigmoid(slope · stated log-odds + shift)`; as stated where there are few labels.

    It says how likely a call is right and decides none: calls are logic, see `clause_tree.call_of`.

    Attributes:
        shift: See above.
        slope: See above; 0 where what is stated tells nothing.
        labels: The owner's labels that it was calibrated on; 0 where it was not.
    """

    shift: float = 0.0
    slope: float = 1.0
    labels: int = 0

    def inside(self, verdict: Verdict) -> float | None:
        """Probability of "in"; None where there is no call."""
        return None if verdict.p is None else self.of(verdict.p)

    def of(self, p: float) -> float:
        """The probability, from what is stated."""
        return p if not self.labels else float(_sigmoid(self.slope * _log_odds(p) + self.shift))

    def right(self, verdict: Verdict) -> float | None:
        """Probability that the call is right, below one half where most were not; None without a call."""
        p = self.inside(verdict)
        return None if p is None else p if verdict.call == "in" else 1 - p


def calibrated(verdicts: Sequence[Verdict], labels: Mapping[str, Label]) -> Confidence:
    """Calibrate what an annotator states on the owner's labels.

    A maximum a posteriori fit (Platt 1999, with a normal prior around what is stated), so that few labels
    move it little. The labels are mostly those of boards, whose images were chosen for being hard: on other
    images the annotator may be right more often than this says.

    Args:
        verdicts: On the labelled images and, maybe, on others.
        labels: The owner's labels, never those of a blind test, by content hash; unsure ones do not count.
    """
    known = [
        (verdict.p, float(label.value == "in"))
        for verdict in verdicts
        if verdict.p is not None
        and (label := labels.get(verdict.image)) is not None
        and label.value != "unsure"
    ]
    return fitted(known)


def fitted(known: Sequence[tuple[float, float]]) -> Confidence:
    """Calibrate on pairs of what is stated and what is so (1 or 0); as stated where there are few."""
    if len(known) < LEAST_LABELS:
        return Confidence()
    from scipy.optimize import minimize  # takes a moment, and most who come here have few labels

    x = np.array([[1.0, _log_odds(p)] for p, _ in known])
    y = np.array([inside for _, inside in known])
    middle, spread = np.array([0.0, 1.0]), np.array([SPREAD_OF_SHIFT, SPREAD_OF_SLOPE])

    def misfit(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        away = (at - middle) / spread
        value = (np.logaddexp(0.0, x @ at) - y * (x @ at)).sum() + (away**2).sum() / 2
        return float(value), x.T @ (_sigmoid(x @ at) - y) + away / spread

    bounds = [(None, None), (0.0, None)]
    shift, slope = minimize(misfit, middle, jac=True, method="L-BFGS-B", bounds=bounds).x.tolist()
    return Confidence(shift=shift, slope=slope, labels=len(known))


def _log_odds(p: float) -> float:
    kept = min(max(p, 1 - FARTHEST), FARTHEST)
    return float(np.log(kept / (1 - kept)))


def _sigmoid(x: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.asarray(x)))
