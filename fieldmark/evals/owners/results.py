"""What a simulation found, as records, and how it is pooled over concepts."""

from typing import Literal

import numpy as np
from pydantic import Field

from fieldmark.records import Record
from fieldmark.tools.statistics import agreement
from fieldmark.tools.statistics.resample import Floats, Interval, ends


class ControlScore(Record):
    """How a control does on the same held-out pictures."""

    f1: float
    ci95: tuple[float, float]
    auprc: float


class AtStage(Record):
    """How far a conversation is before its first board, or after one."""

    labels: int
    """Given so far outside of the blind test."""
    f1: float
    """Of the annotator, by the definition at hand."""


class OwnerResult(Record):
    """One simulated owner in one world."""

    rule: str
    seed: int = 0
    """Of the world."""
    difficulty: str
    prevalence: float
    """Share of the held-out pictures that are in, by the rule, as they are weighted."""
    f1: float
    """Of the annotator, by the definition that the conversation came to."""
    ci95: tuple[float, float]
    student_f1: float
    student_ci95: tuple[float, float]
    auprc: float
    """Of the classifier."""
    kappa_owner_annotator: float | None
    """On the held-out pictures, by the rule."""
    kappa_from_instructions: float | None
    """Of an annotator that was given the instructions alone."""
    self_kappa: float | None
    """The owner against themself, on pictures that came back."""
    labels_used: int
    questions: int
    vlm_calls: int
    """Questions to the guide asked anew, the conversation's and the build's."""
    boards: int
    edits: int
    """Edits that the owner accepted."""
    stop_reason: str
    clauses: tuple[str, ...]
    """The definition in the end, a line a clause."""
    controls: dict[str, ControlScore]
    stages: dict[str, tuple[AtStage, ...]] = Field(default_factory=dict)
    """"conversation" and, where it was had, "random_boards": before the first board and after each."""


class Pooled(Record):
    """A mean over owners with a 95% interval over owners and pictures."""

    value: float
    ci95: tuple[float, float]


class Comparison(Pooled):
    """Mean paired difference of the classifier's F1 and a control's."""

    p: float
    """Two-sided, sign flips over owners."""
    owners: int


class PooledStage(Record):
    """All owners after so many boards; a conversation that ended earlier stays as it was."""

    boards: int
    labels: float
    """Given so far outside of the blind test, on average."""
    f1: Pooled
    """Of the annotator."""
    random_boards: Pooled | None = None
    """The same, where boards were drawn at random."""
    difference: Comparison | None = None
    """The first minus the second, over owners that have both."""


class PooledResult(Record):
    """All owners together."""

    f1: Pooled
    student_f1: Pooled
    teacher_gap: Pooled
    """The annotator's F1 minus the classifier's."""
    kappa_owner_annotator: float | None
    kappa_from_instructions: float | None
    self_kappa: float | None
    labels_used: float
    questions: float
    vlm_calls: float
    boards: float
    controls: dict[str, Pooled]
    differences: dict[str, Comparison]
    """Control → the classifier's F1 minus its own."""
    stages: tuple[PooledStage, ...] = ()


class SimulateResult(Record):
    """The results of simulated owners, as `fieldmark concept simulate` prints them in JSON."""

    format: Literal["fieldmark.simulate/1"] = Field(
        default="fieldmark.simulate/1", serialization_alias="schema"
    )
    variant: str
    seed: int
    worlds: int = 1
    pool: int
    held_out: int
    guide: str
    """How the scripted guide was asked: "in-process" or "http"."""
    owners: tuple[OwnerResult, ...]
    pooled: PooledResult
    seconds: float
    notes: tuple[str, ...] = ()


class HeldOutF1(Record):
    """F1 on one owner's held-out pictures, with its bootstrap replicates."""

    value: float
    """F1; 0 where the rule has positives and none is found."""
    replicates: tuple[float, ...]

    @property
    def ci95(self) -> tuple[float, float]:
        """Both ends of the 95% interval, to four digits."""
        return Interval(self.value, *ends(self.replicates)).ci95


class Stages(Record):
    """The annotator's F1 through one conversation."""

    labels: tuple[int, ...]
    """Before the first board and after each."""
    place: tuple[int, ...]
    """For each of those, which of `scores` it is."""
    scores: tuple[HeldOutF1, ...]
    """Of each definition there was, once."""

    def after(self, boards: int) -> tuple[int, HeldOutF1]:
        """Labels and score after so many boards, or at the end where there were fewer."""
        last = min(boards, len(self.place) - 1)
        return self.labels[last], self.scores[self.place[last]]


class OwnerRun(Record):
    """One owner's result with all that pooling needs: what a worker hands back."""

    result: OwnerResult
    teacher: HeldOutF1
    student: HeldOutF1
    controls: dict[str, HeldOutF1]
    stages: dict[str, Stages] = Field(default_factory=dict)


def measured(truth: Floats, calls: Floats, *, seed: int, weights: Floats | None = None) -> HeldOutF1:
    """F1 of calls, with replicates that are paired across everything measured with the same seed."""
    weights = np.ones(len(truth)) if weights is None else weights
    value = float(agreement.f1(truth, calls, weights[None])[0])
    made = agreement.replicates(agreement.f1, truth, calls, weights=weights, seed=seed)
    return HeldOutF1(value=value, replicates=tuple(made.tolist()))
