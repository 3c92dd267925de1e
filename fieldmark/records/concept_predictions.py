"""What a concept's classifier says of images."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from fieldmark.records._base import Record
from fieldmark.records.predictions import SkippedInput, Unread, counted, one_each
from fieldmark.records.tables import data_frame, html_table

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]


class ClauseScore(Record):
    """What the classifier makes of one clause of the definition."""

    clause: str
    """Id."""
    role: str
    text: str
    probability: float = Field(ge=0, le=1)


def _holds(clause: ClauseScore) -> float:
    return clause.probability


class ConceptPrediction(Record):
    """One image."""

    image: str
    """Path as found."""
    image_hash: str
    label: Literal["in", "out"]
    probability: float = Field(ge=0, le=1)
    """Calibrated on the pool that the classifier was made from, against the annotator's calls and, where
    there are some, the owner's labels."""
    clauses: tuple[ClauseScore, ...] = ()

    @property
    def decided_by(self) -> ClauseScore | None:
        """The clause that speaks loudest for the label; None where the classifier has no clauses.

        Of an image that is out: the necessary clause that holds least, the negative one that holds most, or
        the likeliest positive one, whichever is furthest from what it ought to be. Of several positive ones
        one that fails says nothing as long as another holds. Of an image that is in: the positive clause
        that holds most, else the necessary one that does, else the negative one that holds least.
        """
        by_role = {role: [c for c in self.clauses if c.role == role] for role in ("necessary", "positive")}
        negative = [clause for clause in self.clauses if clause.role == "negative"]
        suffices = max(by_role["positive"], key=_holds, default=None)
        if self.label == "in":
            holding = suffices or max(by_role["necessary"], key=_holds, default=None)
            return holding or min(negative, key=_holds, default=None)
        asked = [*by_role["necessary"], *([suffices] if suffices else []), *negative]
        return min(asked, key=lambda c: 1 - _holds(c) if c.role == "negative" else _holds(c), default=None)


class ConceptPredictions(Record):
    """Calls of images, as `fieldmark concept predict` prints them in JSON."""

    format: Literal["fieldmark.concept-predict/1"] = Field(
        default="fieldmark.concept-predict/1", serialization_alias="schema"
    )
    concept: str
    version: int
    threshold: float
    encoder: str
    predictions: tuple[ConceptPrediction, ...]
    skipped: tuple[SkippedInput, ...] = ()
    passed_over: dict[str, int] = Field(default_factory=dict)
    """Files in folders whose suffix is no image's: suffix → number."""
    inputs: tuple[str, ...] = Field(default=(), exclude=True)
    """Names of the images given, in order."""

    @property
    def results(self) -> tuple[ConceptPrediction | Unread, ...]:
        """One result for each image given, in order; an `Unread` where it could not be read."""
        return one_each(self.predictions, self.skipped, self.inputs)

    def __repr__(self) -> str:
        found = counted(each.label or "unread" for each in self.results)
        return f"ConceptPredictions({self.concept!r} v{self.version}: {found})"

    def _repr_html_(self) -> str:
        """A table of the first results, for notebooks."""
        rows = [
            (each.image, each.label or "", "" if isinstance(each, Unread) else f"{each.probability:.2f}")
            for each in self.results
        ]
        return html_table(repr(self), ("image", "label", "probability"), rows)

    def to_pandas(self) -> "pd.DataFrame":
        """One row an image, in order; a column for each field of `ConceptPrediction`, and `reason`.

        `reason` says why an image could not be read; its other fields are empty. `clauses` holds lists of
        mappings with the fields of `ClauseScore`.

        Raises:
            InputError: pandas is not installed.
        """
        rows = [each.model_dump() for each in self.results]
        return data_frame(rows, [*ConceptPrediction.model_fields, "reason"])
