"""What a simulation found, as records, and how it is pooled over concepts.

It knows nothing of conversations, builds or pictures.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fieldmark.records import Record
from fieldmark.tools import agreement

Floats = NDArray[np.float64]


class ControlScore(Record):
    """How a control does on the same held-out pictures."""

    f1: float
    ci95: tuple[float, float]
    auprc: float


class OwnerResult(Record):
    """One simulated owner."""

    rule: str
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


class Pooled(Record):
    """A mean over owners with a 95% interval over owners and pictures."""

    value: float
    ci95: tuple[float, float]


class Comparison(Pooled):
    """Mean paired difference of the classifier's F1 and a control's."""

    p: float
    """Two-sided, sign flips over owners."""
    owners: int


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


class SimulateResult(Record):
    """What `fieldmark concept simulate --json` prints."""

    format: Literal["fieldmark.simulate/1"] = Field(
        default="fieldmark.simulate/1", serialization_alias="schema"
    )
    variant: str
    seed: int
    pool: int
    held_out: int
    guide: str
    """How the scripted guide was asked: "in-process" or "http"."""
    owners: tuple[OwnerResult, ...]
    pooled: PooledResult
    seconds: float
    notes: tuple[str, ...] = ()


class Measured(Record):
    """F1 on one owner's held-out pictures, with its bootstrap replicates."""

    value: float
    """F1; 0 where the rule has positives and none is found."""
    replicates: tuple[float, ...]

    @property
    def interval(self) -> tuple[float, float]:
        """95%."""
        low, high = np.nanpercentile(self.replicates, [2.5, 97.5])
        return round(float(low), 4), round(float(high), 4)


class OwnerRun(Record):
    """One owner's result with all that pooling needs: what a worker hands back."""

    result: OwnerResult
    teacher: Measured
    student: Measured
    controls: dict[str, Measured]


def measured(truth: Floats, calls: Floats, *, seed: int, weights: Floats | None = None) -> Measured:
    """F1 of calls, with replicates that are paired across everything measured with the same seed."""
    weights = np.ones(len(truth)) if weights is None else weights
    value = float(agreement.f1(truth, calls, weights[None])[0])
    made = agreement.replicates(agreement.f1, truth, calls, weights=weights, seed=seed)
    return Measured(value=value, replicates=tuple(made.tolist()))


def pooled_over(measurements: Sequence[Measured]) -> Pooled:
    """The mean over owners."""
    found = agreement.pooled([m.value for m in measurements], [np.array(m.replicates) for m in measurements])
    return Pooled(value=round(found.value, 4), ci95=(round(found.low, 4), round(found.high, 4)))


def gap_over(first: Sequence[Measured], second: Sequence[Measured]) -> Comparison:
    """The mean paired difference over owners, first minus second."""
    found = agreement.pooled_difference(
        [m.value for m in first],
        [m.value for m in second],
        [np.array(m.replicates) for m in first],
        [np.array(m.replicates) for m in second],
    )
    return Comparison(
        value=round(found.value, 4),
        ci95=(round(found.low, 4), round(found.high, 4)),
        p=float(f"{found.p:.3g}"),
        owners=len(first),
    )


def pooled_result(runs: Sequence[OwnerRun]) -> PooledResult:
    """Pool owners; one whom a control could not serve is left out of its comparison."""
    owners = [run.result for run in runs]
    teachers, students = [run.teacher for run in runs], [run.student for run in runs]
    names = dict.fromkeys(name for run in runs for name in run.controls)
    gap = gap_over(teachers, students)
    return PooledResult(
        f1=pooled_over(teachers),
        student_f1=pooled_over(students),
        teacher_gap=Pooled(value=gap.value, ci95=gap.ci95),
        kappa_owner_annotator=mean_of([owner.kappa_owner_annotator for owner in owners]),
        kappa_from_instructions=mean_of([owner.kappa_from_instructions for owner in owners]),
        self_kappa=mean_of([owner.self_kappa for owner in owners]),
        labels_used=float(np.mean([owner.labels_used for owner in owners])),
        questions=float(np.mean([owner.questions for owner in owners])),
        vlm_calls=float(np.mean([owner.vlm_calls for owner in owners])),
        boards=float(np.mean([owner.boards for owner in owners])),
        controls={
            name: pooled_over([run.controls[name] for run in runs if name in run.controls]) for name in names
        },
        differences={
            name: gap_over(
                [run.student for run in runs if name in run.controls],
                [run.controls[name] for run in runs if name in run.controls],
            )
            for name in names
        },
    )


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of what is known."""
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None
