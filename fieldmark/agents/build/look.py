"""Whether the blind test may be looked at, and figures with their intervals; loads no model."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldmark.errors import InputError, RunError
from fieldmark.records import Concept
from fieldmark.records.building import BuildResult, Score
from fieldmark.tools.concepts.built import read_built
from fieldmark.tools.concepts.changes import blind_labels
from fieldmark.tools.statistics import agreement

LEAST = 20
"""Blind labels below which nothing is measured: the interval would be the whole range."""
Floats = NDArray[np.float64]


def check_before_look(concept: Concept, version: int, out: Path) -> BuildResult:
    """What was built, where it may be measured; loads no model.

    Raises:
        RunError: It is not built, or the test was looked at for this version and its result is gone.
        InputError: Too few blind labels.
    """
    built = read_built(out)
    if built is None:
        raise RunError(
            f"Version {version} of {concept.name!r} has no classifier yet.",
            hint="Build it first: `ConceptBuilder.build`, or `fieldmark concept build`.",
        )
    if version in concept.blind_looks:
        raise RunError(
            f"Version {version} was measured on the blind test already, and the result is gone.",
            hint="A version is measured once. Continue with a new version.",
        )
    values = [label.value for label in blind_labels(concept).values() if label.value != "unsure"]
    check_enough(np.array([float(value == "in") for value in values]))
    return built


def check_enough(truth: Floats) -> None:
    """Refuse a test too small to measure by.

    Raises:
        InputError: Too few labels, or all of one kind.
    """
    if len(truth) < LEAST or truth.min() == truth.max():
        raise InputError(
            f"The blind test has {len(truth)} labels, {int(truth.sum())} of them in: too few to measure by.",
            hint=f"It takes {LEAST}, in and out among them: `ConceptConversation.label_blind`, or `fieldmark "
            "concept label`, asks for more.",
            field="blind",
        )


def score(metric: agreement.Metric, truth: Floats, said: Floats, weights: Floats) -> Score:
    """A metric with its interval, as a record."""
    found = agreement.estimate(metric, truth, said, weights=weights)
    if math.isnan(found.value):
        return Score(value=None)
    return Score(value=round(found.value, 4), ci95=found.ci95)
