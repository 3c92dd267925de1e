"""How well a definition agrees with its owner's labels, and how well the owner agrees with themself."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldmark.agents.define.options import LEAST_REPEATS
from fieldmark.records import Call, ClauseVerdict, Concept, Definition, Label, Verdict
from fieldmark.tools.annotate.clause_tree import call_of
from fieldmark.tools.concepts.changes import dev_labels, latest_labels, repeats
from fieldmark.tools.statistics.agreement import Metric, estimate, f1, kappa, replicates

LEAST_LABELS = 30
"""Labels that the annotator must be compared on: with fewer, one standard error excuses too much."""
CREDIT: Mapping[Call, float] = {"in": 1.0, "out": 0.0, "abstain": 0.5, "refused": 0.5}
"""What a call counts as against a label: an image that cannot be judged is half right either way."""


@dataclass(frozen=True)
class Agreement:
    """Cohen's kappa with its standard error; NaN where it is undefined.

    Attributes:
        kappa: Over all pairs.
        error: Standard deviation over bootstrap replicates.
        pairs: How many pairs.
    """

    kappa: float
    error: float
    pairs: int


NOTHING = Agreement(math.nan, math.nan, 0)


@dataclass(frozen=True)
class Standing:
    """Where a conversation stands.

    Attributes:
        f1: Of the definition on the labels outside of the blind test; None where none of them is "in".
        owner: The owner against the annotator, on labels given before any verdict was shown.
        itself: The owner against themself, on images that came back.
    """

    f1: float | None
    owner: Agreement
    itself: Agreement

    @property
    def agrees(self) -> bool:
        """Whether the annotator agrees with the owner as the owner does, within one standard error."""
        if self.itself.pairs < LEAST_REPEATS or self.owner.pairs < LEAST_LABELS:
            return False
        if math.isnan(self.owner.kappa) or math.isnan(self.itself.kappa):
            return False
        return self.owner.kappa >= self.itself.kappa - max(self.owner.error, self.itself.error)


def calls(definition: Definition, verdicts: Mapping[str, Sequence[ClauseVerdict]]) -> dict[str, Call]:
    """What a definition makes of images whose clauses were judged, by content hash."""
    return {image: call_of(definition, found)[0] for image, found in verdicts.items()}


def clause_verdicts(verdicts: Sequence[Verdict]) -> dict[str, tuple[ClauseVerdict, ...]]:
    """Clause verdicts by content hash."""
    return {verdict.image: verdict.clauses for verdict in verdicts}


def dev_f1(labels: Mapping[str, Label], called: Mapping[str, Call]) -> float | None:
    """F1 against the owner's labels; unsure ones do not count. None where the owner called nothing "in"."""
    truth, said = _aligned({image: label.value for image, label in labels.items()}, called)
    value = _value(f1, truth, said)
    return None if math.isnan(value) else value


def f1_interval(labels: Mapping[str, Label], called: Mapping[str, Call]) -> tuple[float, float] | None:
    """The 95% interval of `dev_f1`, over labels drawn like these; None where it is undefined."""
    truth, said = _aligned({image: label.value for image, label in labels.items()}, called)
    if not truth:
        return None
    found = estimate(f1, truth, said)
    return None if math.isnan(found.value) or math.isnan(found.low) else found.ci95


@dataclass(frozen=True)
class F1Change:
    """How F1 against the owner's labels changes from one set of calls to another.

    Attributes:
        before: F1 before; None where no label is "in".
        after: F1 after.
        error: Standard error of the difference, over labels drawn like these.
    """

    before: float | None
    after: float | None
    error: float

    @property
    def gain(self) -> float:
        """What is won; an undefined F1 counts as 0."""
        return (self.after or 0.0) - (self.before or 0.0)


def f1_change(labels: Mapping[str, Label], before: Mapping[str, Call], after: Mapping[str, Call]) -> F1Change:
    """Compare two sets of calls on the same labelled images; unsure labels do not count.

    The standard error is that of the infinitesimal jackknife (Efron 1982), which is what the bootstrap tends
    to, without its chance: the root of the summed squares of how much F1's difference hangs on each label.
    """
    values = {image: label.value for image, label in labels.items()}
    truth, old = _aligned(values, before)
    _, new = _aligned(values, {image: after[image] for image in before})
    slopes = _f1_slopes(truth, new) - _f1_slopes(truth, old)
    error = float(np.sqrt((slopes**2).sum()))
    return F1Change(dev_f1(labels, before), dev_f1(labels, after), error)


def standing(concept: Concept, called: Mapping[str, Call]) -> Standing:
    """Where the conversation stands, given what the definition in force makes of the labelled images."""
    unprimed = latest_labels([label for label in concept.labels if label.split == "dev" and not label.primed])
    judged: dict[str, Call] = {image: call for image, call in called.items() if call in ("in", "out")}
    truth, said = _aligned({image: label.value for image, label in unprimed.items()}, judged)
    pairs = [
        (before.value, after.value)
        for before, after in repeats(concept)
        if "unsure" not in (before.value, after.value) and before.split == "dev"
    ]
    return Standing(
        f1=dev_f1(dev_labels(concept), called),
        owner=agreement(truth, said) if len(set(truth)) > 1 else NOTHING,
        itself=agreement([a == "in" for a, _ in pairs], [b == "in" for _, b in pairs]),
    )


def agreement(first: Sequence[float], second: Sequence[float]) -> Agreement:
    """Cohen's kappa of two lists of yes (1) and no (0); 1 where both are the same, even all of one kind."""
    if not len(first):
        return NOTHING
    if list(first) == list(second):
        return Agreement(1.0, 0.0, len(first))
    made = replicates(kappa, first, second, resamples=500)
    known = made[~np.isnan(made)]
    error = float(known.std()) if len(known) else math.nan
    return Agreement(_value(kappa, first, second), error, len(first))


def _aligned(values: Mapping[str, str], called: Mapping[str, Call]) -> tuple[list[float], list[float]]:
    images = [image for image, value in values.items() if value != "unsure" and image in called]
    return [float(values[i] == "in") for i in images], [CREDIT[called[i]] for i in images]


def _f1_slopes(truth: Sequence[float], called: Sequence[float]) -> NDArray[np.float64]:
    """How F1 changes with the weight of each label `[N]`."""
    y, c = np.asarray(truth, dtype=np.float64), np.asarray(called, dtype=np.float64)
    hits, counted = 2 * y * c, 2 * y * c + np.abs(y - c)
    total = counted.sum()
    if not total:
        return np.zeros(len(y))
    return (hits * total - hits.sum() * counted) / total**2


def _value(metric: Metric, first: Sequence[float], second: Sequence[float]) -> float:
    if not len(first):
        return math.nan
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return float(metric(one, other, np.ones((1, len(one))))[0])
