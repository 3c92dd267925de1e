"""Records of the table of methods: one for each method, seed and setting, and the rows they give."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from fieldmark.evals.table.counting import Cost
from fieldmark.records import Record
from fieldmark.records.tables import data_frame, html_table

if TYPE_CHECKING:
    import pandas as pd

CI = tuple[float, float]
Outcome = Literal["done", "left_out", "failed"]
Verdict = Literal["beats", "behind", "alike"]

BOUND = "an upper bound: it is told the class names, which are kept from the others"
"""The note of a run that is no fair rival of the others."""
ALPHA = 0.05
"""An adjusted p below it is taken for a difference."""
MOST_SHOWN = 4
"""Rows that the short form of a result shows."""


class TestRecord(Record):
    """The truth about a setting's test images, beside the runs on it."""

    __test__ = False

    data: str
    setting: str
    data_hash: str
    """Of the classes, the test images, their labels, and all else that methods may use."""
    classes: tuple[str, ...]
    labels: tuple[int, ...]
    """Class of each of the N test images; where they show several, the classes that any of them shows."""
    shown: tuple[tuple[int, ...], ...] = ()
    """The classes that each of the N test images shows, where these may be several."""
    groups: tuple[str, ...] = ()
    """Group of each test image; its class where there are none."""
    distances: tuple[tuple[float, ...], ...] = ()
    """Steps between each two classes in the tree, where there is one."""
    train: int = 0
    pool: int = 0
    base: int = 0
    notes: tuple[str, ...] = ()


class MethodRun(Record):
    """What one method with one seed said of one setting's test images: one file."""

    format: Literal["fieldmark.eval-run/1"] = "fieldmark.eval-run/1"
    identity: str
    """Hash of all that decides the result: a run with the same one need not be repeated."""
    data: str
    setting: str
    method: str
    seed: int
    outcome: Outcome
    reason: str = ""
    """Why it was left out, or failed."""
    predicted: tuple[int, ...] = ()
    """Class of each image; -1 where it has none."""
    confidence: tuple[float, ...] = ()
    """What the method believes of the class it predicts."""
    among_five: tuple[bool, ...] = ()
    """Whether the true class is among the five likeliest."""
    candidates: tuple[tuple[int, ...], ...] = ()
    """Classes that each image may still be, where the method leaves sets."""
    precision: tuple[float, ...] = ()
    """Average precision of each class of `TestRecord.labels`, where images show several."""
    f1: tuple[float, ...] = ()
    """F1 of each of them, each by its own threshold, set without labels."""
    names: tuple[str, ...] = ()
    """The words that a method has for each image, where class names are not given."""
    open_vocabulary: dict[str, float] = Field(default_factory=dict)
    """Cluster accuracy, semantic similarity and semantic IoU of these words."""
    diagnostics: dict[str, float] = Field(default_factory=dict)
    cost: Cost = Cost()
    texts_encoded: int = 0
    """Texts encoded anew; those found in the vector store are not."""
    images_encoded: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


class Row(Record):
    """One line of the table: a method on a setting, over its seeds. Fractions are in 0..1."""

    method: str
    title: str
    source: str
    data: str
    setting: str
    outcome: Outcome
    reason: str = ""
    images: int = 0
    top1: float | None = None
    ci95: CI | None = None
    """Classes resampled, each with all its images."""
    ci95_images: CI | None = None
    """Images resampled one by one, as is usual in print: narrower than it should be."""
    top5: float | None = None
    macro: float | None = None
    worst_group: float | None = None
    worst_group_name: str = ""
    ece: float | None = None
    set_size: float | None = None
    coverage: float | None = None
    tree_distance: float | None = None
    """Mean steps in the tree between the predicted and the true class."""
    tree_distance_squared: float | None = None
    tree_distance_squared_ci95: CI | None = None
    """Classes resampled."""
    mean_precision: float | None = None
    """Mean average precision over classes, where images show several."""
    mean_precision_ci95: CI | None = None
    """Classes resampled."""
    macro_f1: float | None = None
    """Mean F1 over classes, each by its own threshold, set without labels."""
    cluster_accuracy: float | None = None
    cluster_ci95: CI | None = None
    """Classes resampled, each word still standing for the name it was matched with."""
    semantic_similarity: float | None = None
    semantic_iou: float | None = None
    difference: float | None = None
    """Top-1, or mean average precision, minus the baseline's, on the same images."""
    difference_ci95: CI | None = None
    p_vs_baseline: float | None = None
    """Sign flips of whole classes, two-sided."""
    p_holm: float | None = None
    """The same, adjusted for all rows of the setting."""
    mcnemar_p: float | None = None
    """Exact, over images, of the first seed alone."""
    control_difference: float | None = None
    """The same minus that of the random-words control."""
    control_difference_ci95: CI | None = None
    p_vs_control: float | None = None
    p_holm_control: float | None = None
    """Adjusted for all rows of the setting."""
    seeds: tuple[int, ...] = ()
    spread: float | None = None
    """Standard deviation of top-1 over seeds, where there are several."""
    llm_requests: int = 0
    """Questions, tokens and texts are of one seed, the one that needed most, whoever paid for them."""
    llm_failed: int = 0
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    texts: int = 0
    llm_fresh: int = 0
    """What was asked and encoded in this run, and how long it took, is of all seeds together."""
    texts_encoded: int = 0
    images_encoded: int = 0
    seconds: float = 0.0
    needs: tuple[str, ...] = ()
    transductive: bool = False
    diagnostics: dict[str, float] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def main(self) -> float | None:
        """Top-1; mean average precision where images show several classes."""
        return self.mean_precision if self.top1 is None else self.top1

    @property
    def main_ci95(self) -> CI | None:
        """Its interval."""
        return self.mean_precision_ci95 if self.top1 is None else self.ci95

    @property
    def is_bound(self) -> bool:
        """Whether it stands as an upper bound, and is no rival of the other methods."""
        return BOUND in self.notes

    @property
    def against_baseline(self) -> Verdict | None:
        """How it stands against the baseline; None where the two were not compared."""
        return _verdict(self.difference, self.p_holm)

    @property
    def against_control(self) -> Verdict | None:
        """How it stands against the random-words control; None where the two were not compared."""
        return _verdict(self.control_difference, self.p_holm_control)


def _verdict(difference: float | None, p: float | None) -> Verdict | None:
    if difference is None or p is None:
        return None
    if p >= ALPHA or not difference:
        return "alike"
    return "beats" if difference > 0 else "behind"


class EvalResult(Record):
    """A measured table, as `fieldmark eval` prints it in JSON."""

    format: Literal["fieldmark.eval/1"] = Field(default="fieldmark.eval/1", serialization_alias="schema")
    data: str
    settings: tuple[str, ...]
    rows: tuple[Row, ...]
    baseline: str
    control: str
    """The random-words control that every table carries."""
    clip: str
    llm: str | None
    seeds: int
    shots: int
    images_encoded: int
    texts_encoded: int
    seconds: float
    notes: tuple[str, ...] = ()
    run: str

    def __repr__(self) -> str:
        found = ", ".join(f"{row.method} {_shown(row.top1) or row.outcome}" for row in self.rows[:MOST_SHOWN])
        more = ", …" if len(self.rows) > MOST_SHOWN else ""
        return f"EvalResult({self.data!r}, top-1: {found}{more}; run {self.run!r})"

    def _repr_html_(self) -> str:
        """A table of the rows, for notebooks."""
        head = ("setting", "method", "outcome", "top-1", "95% interval", "minus baseline", "p (Holm)")
        rows = [
            (
                row.setting,
                row.method,
                row.outcome,
                _shown(row.top1),
                "" if row.ci95 is None else f"{_shown(row.ci95[0])} to {_shown(row.ci95[1])}",
                "" if row.difference is None else f"{row.difference:+.3f}",
                "" if row.p_holm is None else f"{row.p_holm:.2g}",
            )
            for row in self.rows
        ]
        return html_table(repr(self), head, rows)

    def to_pandas(self) -> "pd.DataFrame":
        """One row for each `Row`, in order: a column for each of its fields and properties.

        Fractions are in 0..1. `ci95` and the other intervals hold pairs.

        Raises:
            InputError: pandas is not installed.
        """
        properties = ("is_bound", "against_baseline", "against_control")
        rows = [
            {**row.model_dump(), **{name: getattr(row, name) for name in properties}} for row in self.rows
        ]
        return data_frame(rows, [*Row.model_fields, *properties])


def _shown(share: float | None) -> str:
    return "" if share is None else f"{share:.3f}"
