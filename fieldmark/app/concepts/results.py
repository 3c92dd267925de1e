"""What came of a concept's classifier, for people: shares in words, wrong pictures, other thresholds."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fieldmark.agents.build.look import Floats, check_before_look, score
from fieldmark.errors import FieldmarkError, InputError
from fieldmark.records import Concept, Label
from fieldmark.records.building import (
    BuildResult,
    CalibrationImage,
    CalibrationImages,
    Measurement,
    Score,
)
from fieldmark.tools.concepts.built import MODELS, read_built, read_calibration, read_measurement
from fieldmark.tools.concepts.changes import latest_labels
from fieldmark.tools.concepts.folder import ConceptFolder

JUDGES = {
    "classifier": "classifier",
    "annotator": "its annotator",
    "name": "the name alone",
    "own labels": "your labels alone",
}
"""What is compared on the blind test, in words."""
STEPS = 100
"""Thresholds that can be tried, from 0 to 1."""


@dataclass(frozen=True)
class ErrorCounts:
    """What a threshold makes of the calibration images.

    Attributes:
        threshold: From this probability on an image is called in.
        inside: Images that are in.
        outside: Images that are out.
        missed: Of `inside`, those that it calls out.
        wrongly_in: Of `outside`, those that it calls in.
    """

    threshold: float
    inside: int
    outside: int
    missed: int
    wrongly_in: int


@dataclass(frozen=True)
class ConceptResults:
    """The classifier of one version: what was built, how it was measured, what it gets wrong.

    Attributes:
        concept: The concept as it is now.
        version: The version.
        built: What was built; None before anything was.
        measured: How it was measured on the blind test; None before it was. Reading it is no look.
        calibration: The images that its threshold was chosen by; None where they were not kept.
        refusal: Why the blind test cannot be looked at now; None where it can, or was.
    """

    concept: Concept
    version: int
    built: BuildResult | None
    measured: Measurement | None
    calibration: CalibrationImages | None
    refusal: FieldmarkError | None

    @classmethod
    def of(cls, folder: ConceptFolder, version: int) -> Self:
        """Read what is there of a version; no model is loaded, and nothing is written.

        Raises:
            InputError: There is no such version.
            RunError: What was written down of it is damaged.
        """
        concept, out = folder.load(), folder.path / MODELS / f"v{version}"
        if not 1 <= version <= len(concept.versions):
            raise InputError(
                f"There is no version {version}.", hint=f"There are versions 1 to {len(concept.versions)}."
            )
        built, measured = read_built(out), read_measurement(out)
        refusal = None
        if built is not None and measured is None:
            try:
                check_before_look(concept, version, out)
            except FieldmarkError as error:
                refusal = error
        return cls(
            concept=concept,
            version=version,
            built=built,
            measured=measured,
            calibration=read_calibration(out),
            refusal=refusal,
        )

    @property
    def measured_with(self) -> float | None:
        """The threshold that it was measured with, where another one is kept since."""
        if self.built is None or self.measured is None:
            return None
        then = self.built.measured_with(self.measured)
        return None if then == self.built.in_force else then

    @cached_property
    def found(self) -> Score:
        """Of what is in: the share that the classifier finds, on the blind test, weighted to the pool."""
        truth, called, weights = self._blind
        return _share(called, weights, among=truth)

    @cached_property
    def wrong(self) -> Score:
        """Of what it calls in: the share that is out, likewise."""
        truth, called, weights = self._blind
        return _share(1 - truth, weights, among=called)

    @property
    def labels_since(self) -> int:
        """Labels that were given since it was built, and that it does not know of."""
        if self.built is None:
            return 0
        return sum(label.split == "dev" and label.at > self.built.at for label in self.concept.labels)

    @cached_property
    def wrong_pictures(self) -> tuple[CalibrationImage, ...]:
        """Calibration images that it calls otherwise than they counted, the owner's own first, worst first.

        Trial classifiers that had not seen an image called it. No image of the blind test is among them: who
        looked at those would be tested on what is known.
        """
        if self.calibration is None or self.built is None:
            return ()
        at = self.built.in_force
        wrong = [each for each in self.calibration.images if (each.p >= at) != each.inside]
        return tuple(sorted(wrong, key=lambda each: (not each.by_owner, -abs(each.p - at), each.image)))

    def errors_at(self, threshold: float) -> ErrorCounts | None:
        """What another threshold would make of the calibration images; None where they were not kept."""
        if self.calibration is None:
            return None
        inside, p = self._calibrated
        called = p >= threshold
        return ErrorCounts(
            threshold=threshold,
            inside=int(inside.sum()),
            outside=int((~inside).sum()),
            missed=int((inside & ~called).sum()),
            wrongly_in=int((~inside & called).sum()),
        )

    @property
    def curve(self) -> tuple[ErrorCounts, ...]:
        """The same for `STEPS` thresholds and one more."""
        found = (self.errors_at(step / STEPS) for step in range(STEPS + 1))
        return tuple(each for each in found if each is not None)

    @cached_property
    def _calibrated(self) -> tuple[NDArray[np.bool_], Floats]:
        images = self.calibration.images if self.calibration else ()
        return np.array([each.inside for each in images], bool), np.array([each.p for each in images], float)

    @cached_property
    def _blind(self) -> tuple[Floats, Floats, Floats]:
        """Truth, call and weight of the images that were measured, by the labels of that time."""
        measured = self.measured
        if measured is None:
            return np.zeros(0), np.zeros(0), np.zeros(0)
        then: list[Label] = [
            label for label in self.concept.labels if label.split == "blind" and label.at <= measured.at
        ]
        labels = latest_labels(then)
        hashes = [image for image in measured.calls if image in labels and labels[image].value != "unsure"]
        return (
            np.array([float(labels[image].value == "in") for image in hashes]),
            np.array([float(measured.calls[image]) for image in hashes]),
            np.array([self.concept.blind.get(image, 1.0) for image in hashes]),
        )


def in_words(share: float) -> str:
    """A share as a person says it: "9 of 10", "all", "none", "1 of 40"."""
    near = Fraction(share).limit_denominator(10)
    if near in (0, 1):
        if abs(share - near) < 1e-9:
            return "all" if near else "none"
        # Nearly all, or nearly none: "all" would hide the few.
        near = Fraction(share).limit_denominator(50)
        if near in (0, 1):
            return "nearly all" if near else "nearly none"
    return f"{near.numerator} of {near.denominator}"


def _share(which: Floats, weights: Floats, *, among: Floats) -> Score:
    """Weighted share of `which` among some images, with its interval; undefined among none."""
    if not among.sum():
        return Score(value=None)

    def metric(truth: Floats, said: Floats, weight: Floats) -> Floats:
        total = weight @ said
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > 0, weight @ (truth * said) / total, np.nan)

    return score(metric, which, among, weights)
