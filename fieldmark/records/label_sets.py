"""Which of several classes hold in each image, and from which probability on."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from fieldmark.records._base import Record
from fieldmark.records.predictions import SkippedInput, Unread, one_each
from fieldmark.records.tables import data_frame, html_table

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]


class ClassThreshold(Record):
    """One class."""

    class_name: str
    threshold: float = Field(ge=0, le=1)
    """From this probability on it holds."""
    images: int
    """Images that show it, as far as the run says."""
    positives: int = 0
    """Labelled images that show it."""


class LabelSet(Record):
    """One image."""

    image: str
    """Path or name of the image as the user gave it."""
    image_hash: str
    labels: tuple[str, ...]
    """Classes that hold, the likeliest first; none where no class does."""
    probabilities: tuple[float, ...]
    """How likely each of them holds, each by itself."""
    every: tuple[float, ...] = ()
    """How likely each class holds, in the order of the classes, where that was asked for."""
    said: bool = False
    """Whether a person said which classes hold."""


class LabelSets(Record):
    """Labels of images, of which each may have several, and what decided from when on a class holds."""

    format: Literal["fieldmark.multi/1"] = Field(default="fieldmark.multi/1", serialization_alias="schema")
    run: str
    """The run's folder."""
    method: str
    classes: tuple[ClassThreshold, ...]
    labelled: int = 0
    """Labelled images that set probabilities and thresholds; 0 where the images alone did."""
    images: tuple[LabelSet, ...]
    skipped: tuple[SkippedInput, ...] = ()
    passed_over: dict[str, int] = Field(default_factory=dict)
    """Files in folders whose suffix is no image's: suffix → number."""
    notes: tuple[str, ...] = ()
    inputs: tuple[str, ...] = Field(default=(), exclude=True)
    """Names of the images given, in order."""

    @property
    def results(self) -> tuple[LabelSet | Unread, ...]:
        """One result for each image given, in order; an `Unread` where it could not be read."""
        return one_each(self.images, self.skipped, self.inputs)

    def __repr__(self) -> str:
        with_any = sum(bool(each.labels) for each in self.images)
        return f"LabelSets({with_any:,} of {len(self.images):,} images have a label; run {self.run!r})"

    def _repr_html_(self) -> str:
        """A table of the first results, for notebooks."""
        return html_table(
            repr(self), ("image", "labels"), [(each.image, ", ".join(each.labels)) for each in self.images]
        )

    def to_pandas(self) -> "pd.DataFrame":
        """One row an image, in order: a column for each field, and one a class where `every` is there.

        Raises:
            InputError: pandas is not installed.
        """
        there = any(each.every for each in self.images)
        names = [each.class_name for each in self.classes] if there else []
        rows = [
            {**each.model_dump(exclude={"every"}), **dict(zip(names, each.every, strict=True))}
            for each in self.images
        ]
        return data_frame(rows, ["image", "image_hash", "labels", "probabilities", "said", *names])
