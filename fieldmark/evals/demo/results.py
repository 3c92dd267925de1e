"""The records of a demo's results, as `fieldmark demo` prints them in JSON."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from fieldmark.evals.demo.open_set import Calibration, OpenSet
from fieldmark.evals.demo.robustness import Robustness
from fieldmark.evals.metrics.graded import GradedError
from fieldmark.evals.worlds.conditions import WorldConditions
from fieldmark.records import Record
from fieldmark.tools.llm.scripted import NOTE
from fieldmark.tools.runs.events import ViewWorth
from fieldmark.tools.statistics.resample import Gain

CI = tuple[float, float]


class RungScore(Record):
    """Accuracy of one rung."""

    name: str
    top1: float
    ci95: CI


class PairedScore(Record):
    """Accuracy of rung a minus that of rung b on the same images."""

    a: str
    b: str
    difference: float
    ci95: CI
    p: float


class Resolved(Record):
    """Whether being resolved means something."""

    count: int
    top1: float | None
    open_top1: float | None
    top1_at_equal_coverage_first_step: float | None
    """Top-1 of as many images, chosen by the confidence of the first look, with its labels."""
    at_equal_coverage: Gain | None = None
    """The first of these minus the last; None where nothing was resolved."""


class Ambiguous(Record):
    """How much ambiguity the loop found and left, over the whole pool."""

    before: int
    after: int
    rounds: int
    stop_reasons: dict[str, int]


class LlmCount(Record):
    """Language-model use."""

    requests: int
    cached: int
    failed: int
    prompt_tokens: int
    completion_tokens: int


class EncoderCount(Record):
    """Encoder use."""

    images_encoded: int
    texts_encoded: int
    distinct_images: int
    distinct_texts: int


class DemoSeconds(Record):
    """Where the time went; `score` is everything but rendering, encoding and asking."""

    total: float
    render: float
    encode: float
    llm: float
    score: float


@dataclass(frozen=True, kw_only=True)
class Conditions(WorldConditions):
    """How hard the world was, and what was done in it.

    Attributes:
        labels: Labelled images of each class beside the pool; the ladder does not look at them.
        rule: How the resolve rung scores.
    """

    labels: int = 0
    rule: str


class CurveAt(Record):
    """How far the loop was after some questions."""

    questions: int
    top1: float


class DemoResult(Record):
    """What a demo measured."""

    format: Literal["fieldmark.demo/1"] = Field(default="fieldmark.demo/1", serialization_alias="schema")
    note: str = NOTE
    seed: int
    books: int
    mistakes: float
    images: int
    """Those of listed classes; accuracies are over them alone."""
    labelled: int = 0
    """Labelled images that were set apart."""
    classes: int
    ladder: tuple[RungScore, ...]
    paired: tuple[PairedScore, ...]
    resolved: Resolved
    ambiguous: Ambiguous
    questions: dict[str, int]
    llm: LlmCount
    encoder: EncoderCount
    seconds: DemoSeconds
    robustness: Robustness | None = None
    conditions: Conditions
    open_set: OpenSet
    calibration: Calibration
    graded: GradedError | None = None
    """Only where the classes were grouped."""
    questions_curve: tuple[CurveAt, ...] = ()
    """Top-1 of the resolve loop after each round, of all books together."""
    views: tuple[ViewWorth, ...] = ()
    """What names and answers were worth in the end, book by book; empty where another rule scores."""
    run: str
