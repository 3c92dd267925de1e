"""What an exported classifier of a run says of images."""

from collections import Counter
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from fieldmark.records._base import Record
from fieldmark.records.predictions import Prediction, SkippedInput, Unread
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
        found = {each.image: each for each in self.predictions}
        reasons = {each.path: each.reason for each in self.skipped}
        return tuple(
            found.get(name) or Unread(image=name, reason=reasons.get(name, "it could not be read"))
            for name in self.inputs or found
        )

    def __repr__(self) -> str:
        counts = Counter(each.status for each in self.results)
        found = ", ".join(f"{number:,} {status}" for status, number in counts.items())
        return f"ClassPredictions({found}; by the {self.by} of run {self.run!r})"

    def _repr_html_(self) -> str:
        """A table of the first results, for notebooks."""
        rows = [
            (
                each.image,
                each.label or "",
                each.status,
                "" if each.confidence is None else f"{each.confidence:.2f}",
            )
            for each in self.results
        ]
        return html_table(repr(self), ("image", "label", "status", "confidence"), rows)

    def to_pandas(self) -> "pd.DataFrame":
        """One row an image, in order; a column for each field of `Prediction`, and `reason`.

        `reason` says why an image could not be read; its other fields are empty.

        Raises:
            InputError: pandas is not installed.
        """
        rows = [each.model_dump() for each in self.results]
        return data_frame(rows, [*Prediction.model_fields, "reason"])
