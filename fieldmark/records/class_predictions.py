"""What an exported classifier of a run says of images."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from fieldmark.records._base import Record
from fieldmark.records.predictions import Prediction, SkippedInput, Unread, counted, in_cells, one_each
from fieldmark.records.tables import data_frame, html_table

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]


class ClassPredictions(Record):
    """Labels of images, as `fieldmark predict` prints them in JSON."""

    format: Literal["fieldmark.predict/1"] = Field(
        default="fieldmark.predict/1", serialization_alias="schema"
    )
    run: str
    """The run that the classifier was made from."""
    by: Literal["student", "guide"]
    """What labelled them."""
    encoder: str
    predictions: tuple[Prediction, ...]
    """A rejected image ("none of these") has the best class as its label all the same; see `status`."""
    skipped: tuple[SkippedInput, ...] = ()
    passed_over: dict[str, int] = Field(default_factory=dict)
    """Files in folders whose suffix is no image's: suffix → number."""
    inputs: tuple[str, ...] = Field(default=(), exclude=True)
    """Names of the images given, in order."""

    @property
    def results(self) -> tuple[Prediction | Unread, ...]:
        """One result for each image given, in order; an `Unread` where it could not be read."""
        return one_each(self.predictions, self.skipped, self.inputs)

    def __repr__(self) -> str:
        found = counted(each.status for each in self.results)
        return f"ClassPredictions({found}; by the {self.by} of run {self.run!r})"

    def _repr_html_(self) -> str:
        """A table of the first results, for notebooks."""
        cells = in_cells(self.results)
        return html_table(repr(self), ("image", "label", "status", "confidence"), cells)

    def to_pandas(self) -> "pd.DataFrame":
        """One row an image, in order; a column for each field of `Prediction`, and `reason`.

        `reason` says why an image could not be read; its other fields are empty.

        Raises:
            InputError: pandas is not installed.
        """
        rows = [each.model_dump() for each in self.results]
        return data_frame(rows, [*Prediction.model_fields, "reason"])
