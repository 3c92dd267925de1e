"""Concludes from measurements which way of classifying a set of images is worth its cost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fieldmark.app.advice.advice import Advice, KnownName, Means, SeenAttribute, Way
from fieldmark.errors import InputError
from fieldmark.evals.table.join import SettingRuns
from fieldmark.evals.table.options import BASELINE
from fieldmark.evals.table.records import EvalResult, Row
from fieldmark.evals.table.rows import measured_of
from fieldmark.evals.table.run import RUNS
from fieldmark.records import Prediction
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.statistics.intervals import paired_difference

LABELS = "tip-adapter"
"""The method that stands for labels: it takes any number, and keeps what the names say."""
LEAST_SAID = 12
"""Images of which an attribute must say something to be judged."""
_WIDTH = 2 * 1.96
"""Standard errors that a 95% interval is wide."""
_BY: Mapping[Means, str] = {"names": BASELINE, "answers": "resolve", "labels": LABELS}
FEW = "Too few labelled images of each class are there to say what labels would bring."
SILENT = "No language model was asked: what descriptions would bring is not known."


def setting_of(shots: int) -> str:
    """What the table calls a measurement with so many labelled images a class."""
    return f"{shots} label{'' if shots == 1 else 's'} a class" if shots else "no labels"


def conclude(measured: Sequence[SettingRuns], result: EvalResult, run: RunFolder) -> Advice:
    """Choose the cheapest way that is not clearly worse than the best.

    A way costs less than another if it takes no questions, or no labels, or fewer. It is clearly worse where
    it lies behind the best by more than one standard error of the difference on the same images (the
    one-standard-error rule: Breiman et al. 1984, section 3.4.3).

    Args:
        measured: The runs of each setting of an adviser.
        result: Their table.
        run: The run's folder.

    Raises:
        InputError: Nothing could be measured.
    """
    by_setting = {each.truth.setting: each for each in measured}
    truth = by_setting[setting_of(0)].truth
    labels = np.array(truth.labels, dtype=np.int64)
    rights: list[tuple[Row, Means, NDArray[np.float64]]] = []
    for means, method in _BY.items():
        for row in result.rows:
            # The baseline stands in every setting; names and answers are measured without labels.
            of = (row.setting == setting_of(0)) == (means != "labels")
            if row.method == method and row.top1 is not None and of:
                right = measured_of(method, by_setting[row.setting].runs, labels).right
                rights.append((row, means, right))
    if not rights:
        raise InputError("Nothing could be measured.", hint="See the table of the run for the reasons.")
    best = max(rights, key=lambda each: float(each[2].mean()))[2]
    ways: list[Way] = []
    for row, means, right in rights:
        gap = paired_difference(best, right, labels)
        ways.append(
            Way(
                means=means,
                method=row.method,
                shots=by_setting[row.setting].truth.train // len(truth.classes),
                top1=float(right.mean()),
                ci95=row.ci95 or (0.0, 1.0),
                behind=gap.value,
                behind_ci95=gap.ci95,
                questions=row.llm_requests,
            )
        )
    ways.sort(key=lambda way: (list(_BY).index(way.means), way.shots))
    chosen = next(way for way in ways if way.behind <= (way.behind_ci95[1] - way.behind_ci95[0]) / _WIDTH)
    kinds = {way.means for way in ways}
    return Advice(
        data=result.data,
        images=len(labels),
        classes=len(truth.classes),
        ways=tuple(ways),
        chosen=chosen,
        names=_known(truth.classes, labels, next(right for _, means, right in rights if means == "names")),
        attributes=seen_attributes(_resolved(run), [truth.classes[label] for label in truth.labels]),
        notes=(
            *(() if "answers" in kinds else (_silent(result),)),
            *(() if "labels" in kinds else (FEW,)),
            *result.notes,
        ),
        run=result.run,
    )


def _silent(result: EvalResult) -> str:
    """Why there is nothing to say of answers: no model was asked, or what kept the loop from its end."""
    failed = [each for each in result.rows if each.method == _BY["answers"] and each.outcome == "failed"]
    return f"What descriptions would bring is not known: {failed[0].reason}" if failed else SILENT


def seen_attributes(predictions: Sequence[Prediction], true: Sequence[str]) -> tuple[SeenAttribute, ...]:
    """How often each attribute spoke for the true class, the least seen first.

    An image counts where the true class is its label or its runner-up: what an attribute says of the two is
    known then. One that the encoder does not see speaks for either side alike.

    Args:
        predictions: What the loop said of N images; none where it did not run.
        true: The class of each.
    """
    for_true: dict[str, list[bool]] = defaultdict(list)
    for said, name in zip(predictions, true, strict=False):
        if name in (said.label, said.runner_up):
            side = 1 if said.label == name else -1
            for each in said.contributions:
                stated = (each.label_value, each.runner_up_value)
                if None not in stated and stated[0] != stated[1] and each.contribution:
                    for_true[each.attribute].append(side * each.contribution > 0)
    seen = [
        SeenAttribute(attribute=name, right=sum(own) / len(own), images=len(own))
        for name, own in for_true.items()
        if len(own) >= LEAST_SAID
    ]
    return tuple(sorted(seen, key=lambda each: (each.right, each.attribute)))


def _resolved(run: RunFolder) -> tuple[Prediction, ...]:
    """What the loop said of the images, in their order; nothing where it did not run."""
    found = sorted((run.path / RUNS / setting_of(0) / "work").glob(f"{_BY['answers']}-*/predictions.jsonl"))
    return tuple(RunFolder(found[-1].parent).read_predictions()) if found else ()


def _known(
    classes: Sequence[str], labels: NDArray[np.int64], right: NDArray[np.float64]
) -> tuple[KnownName, ...]:
    own = {name: right[labels == place] for place, name in enumerate(classes)}
    shares = [
        KnownName(class_name=name, right=float(each.mean()), images=len(each))
        for name, each in own.items()
        if len(each)
    ]
    return tuple(sorted(shares, key=lambda each: (each.right, each.class_name)))
