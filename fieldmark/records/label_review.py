"""Labels of a labelled set that are probably wrong."""

from typing import ClassVar, Literal

from pydantic import Field

from fieldmark.records._base import Record
from fieldmark.records.predictions import Contribution


class LabelIssue(Record):
    """An image whose given label is probably wrong."""

    image: str
    """Path or name of the image as the user gave it."""
    image_hash: str
    given: str
    suggested: str | None
    """The class that the run takes it for; None where it fits no class."""
    quality: float = Field(ge=0, le=1)
    """The probability of the given label."""
    suggested_probability: float | None = Field(default=None, ge=0, le=1)
    marks: tuple[Contribution, ...] = ()
    """What speaks for the suggested class and against the given one, and the other way round; none where the
    run weighed another pair of classes."""

    @property
    def in_words(self) -> str:
        """What the run says of it, in one line."""
        if self.suggested is None:
            return "it fits no class"
        return f"{self.suggested} {self.suggested_probability or 0:.0%}, the label {self.quality:.0%}"


class LabelReview(Record):
    """What a review of labels found, as a run's folder keeps it."""

    FILE: ClassVar[str] = "review.json"

    format: Literal["fieldmark.review/1"] = Field(default="fieldmark.review/1", serialization_alias="schema")
    run: str
    images: int
    """Images with a label that were looked at."""
    issues: tuple[LabelIssue, ...]
    """Those whose label is probably wrong: the least credible first, then those that fit no class."""
