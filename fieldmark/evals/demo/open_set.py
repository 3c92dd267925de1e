"""What became of images that are of no class, and how far the confidence of the others can be trusted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fieldmark.evals.demo.ladder import Climb
from fieldmark.evals.metrics.calibration import reliability
from fieldmark.records import Prediction, Record
from fieldmark.tools.statistics.agreement import auroc

_BINS = 10


class StatusCounts(Record):
    """How many images ended how."""

    resolved: int
    open: int
    rejected: int

    @property
    def images(self) -> int:
        """All of them."""
        return self.resolved + self.open + self.rejected


class OpenSet(Record):
    """What the resolve loop made of three kinds of images."""

    listed: StatusCounts
    unlisted: StatusCounts
    """Of species that are no classes."""
    strangers: StatusCounts
    """Of no bird."""
    auroc_unlisted: float | None
    """How often an unlisted image fits the classes worse than a listed one; None without unlisted images."""
    auroc_strangers: float | None

    @property
    def others(self) -> int:
        """How many images are of no class."""
        return self.unlisted.images + self.strangers.images


class Calibration(Record):
    """Confidence of the resolve loop on listed images."""

    ece: float
    """Expected calibration error over ten bins."""
    mean_confidence: float
    images: int


def fits_none(prediction: Prediction) -> float:
    """How little an image fits any class: the higher, the less."""
    return 1 - prediction.confidence if prediction.fit is None else -prediction.fit


def open_set(climbs: Sequence[Climb]) -> OpenSet:
    """Count what became of listed images, unlisted ones and strangers, and how well they are told apart."""
    predictions = [p for climb in climbs for p in climb.predictions]
    listed = np.concatenate([climb.world.listed for climb in climbs])
    strangers = np.concatenate([climb.world.strangers for climb in climbs])
    unlisted = ~listed & ~strangers
    return OpenSet(
        listed=_counts(predictions, listed),
        unlisted=_counts(predictions, unlisted),
        strangers=_counts(predictions, strangers),
        auroc_unlisted=_told_apart(predictions, listed, unlisted),
        auroc_strangers=_told_apart(predictions, listed, strangers),
    )


def calibration(climbs: Sequence[Climb]) -> Calibration:
    """Confidence against accuracy on listed images (Guo et al. 2017, section 2)."""
    confidence = np.array([p.confidence for climb in climbs for p in climb.listed_predictions])
    right = np.concatenate([climb.right("resolve") for climb in climbs])
    return Calibration(
        ece=round(reliability(confidence, right, bins=_BINS).error, 4),
        mean_confidence=round(float(confidence.mean()), 4),
        images=len(confidence),
    )


def _counts(predictions: Sequence[Prediction], kind: NDArray[np.bool_]) -> StatusCounts:
    statuses = [p.status for p, meant in zip(predictions, kind, strict=True) if meant]
    return StatusCounts(
        resolved=statuses.count("resolved"),
        open=statuses.count("open"),
        rejected=statuses.count("rejected"),
    )


def _told_apart(
    predictions: Sequence[Prediction], listed: NDArray[np.bool_], others: NDArray[np.bool_]
) -> float | None:
    if not others.any():
        return None
    scores = np.array([fits_none(p) for p in predictions])
    meant = listed | others
    truth = others[meant].astype(np.float64)
    return round(float(auroc(truth, scores[meant], np.ones((1, len(truth))))[0]), 4)
