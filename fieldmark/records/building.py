"""What comes of building and measuring a concept's classifier."""

from typing import Literal

from pydantic import Field

from fieldmark.records._base import Record


class Score(Record):
    """A value with its 95% interval; None where it is undefined."""

    value: float | None
    ci95: tuple[float, float] | None = None


class Judge(Record):
    """How one way of judging images agrees with the owner on the blind test."""

    name: str
    """"classifier", "annotator", "name" or "own labels"."""
    f1: Score
    auprc: Score
    """Area under the precision-recall curve."""
    recall_at_precision_90: Score
    kappa: Score
    judged: int = Field(ge=0)
    """Images it could judge; an image of which nothing can be told counts as out."""


class Measurement(Record):
    """One look at the blind test; there is one a version."""

    format: Literal["fieldmark.measurement/1"] = "fieldmark.measurement/1"
    concept: str
    version: int
    at: str
    images: int
    """Images that the owner labelled in or out."""
    positives: int
    judges: tuple[Judge, ...]
    self_kappa: Score
    """The owner against themself, on images that came back: the ceiling all is read against."""
    mcnemar_p: float | None = None
    """Against the classifier of the version measured before; None where there is none."""
    mcnemar_version: int | None = None
    threshold: float | None = None
    """What the classifier was measured with; None where an earlier Fieldmark measured, by the build's own."""
    calls: dict[str, bool]
    """What the classifier said of each image, for the next version's test."""


class CalibrationImage(Record):
    """An image that calibration and threshold went by; none is of the blind test."""

    image: str
    """Content hash."""
    inside: bool
    """Whether it counted as in: by the owner's label, else by the annotator's call."""
    p: float = Field(ge=0, le=1)
    """What classifiers that had not seen it say, calibrated."""
    by_owner: bool
    """Whether the owner labelled it."""


class CalibrationImages(Record):
    """The images that a threshold is chosen by; `calibration.json` beside the classifier."""

    format: Literal["fieldmark.calibration/1"] = "fieldmark.calibration/1"
    images: tuple[CalibrationImage, ...]


class ContenderScore(Record):
    """A head that competed."""

    kind: str
    decay: float
    average_precision: float
    chosen: bool


class BuildResult(Record):
    """What a build made; `build.json` beside the classifier."""

    format: Literal["fieldmark.build/1"] = "fieldmark.build/1"
    concept: str
    version: int
    at: str
    kind: str
    threshold: float
    """The build's own choice."""
    kept: float | None = None
    """What the owner has in its place; None where they left it."""
    contenders: tuple[ContenderScore, ...]
    annotated: int
    """Images that the annotator judged in or out."""
    unjudged: int
    """Images that it abstained from or refused: left out, never taken for "out"."""
    owner_labels: int
    """The owner's labels outside of the blind test that were learned from."""
    active: int
    """Images that were annotated because the classifier of that time was unsure."""
    debated: int
    overturned: int
    """Debates that changed the annotator's call."""
    calls: int
    """Questions asked anew in this process."""
    identity: str = ""
    """Names all that it was made of: definition, labels, costs, options, annotator, encoder, pool."""
    notes: tuple[str, ...] = ()

    @property
    def in_force(self) -> float:
        """The threshold that counts: an image is in from this probability on."""
        return self.threshold if self.kept is None else self.kept

    def measured_with(self, measured: Measurement) -> float:
        """The threshold that it was measured with; the owner may keep another one since."""
        return self.threshold if measured.threshold is None else measured.threshold
