"""Makes the rows of a table from the runs on one setting: accuracies with intervals, paired tests, cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldmark.evals.metrics.accuracy import group_accuracy, label_distances, predictions_right
from fieldmark.evals.metrics.calibration import reliability
from fieldmark.evals.metrics.open_vocabulary import cluster_accuracy
from fieldmark.evals.metrics.selection import candidate_sets
from fieldmark.evals.table.method import EvalMethod
from fieldmark.evals.table.records import MethodRun, Row, TestRecord
from fieldmark.tools.statistics.intervals import (
    bootstrap_mean,
    holm_column,
    mcnemar,
    over_seeds,
    paired_difference,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MethodMeasurement:
    """One method on a setting, over its seeds.

    Attributes:
        runs: The runs that were done, one a seed.
        right: Share of the seeds that label each image rightly `[N]` float64; where images show several
            classes, the average precision of each class instead. Empty where no class is predicted.
    """

    runs: tuple[MethodRun, ...]
    right: Floats


def rows_of(
    runs: Sequence[MethodRun],
    truth: TestRecord,
    methods: Sequence[EvalMethod],
    *,
    baseline: str,
    control: str,
    resamples: int = 10_000,
    seed: int = 0,
) -> list[Row]:
    """The rows of one setting, in the order of the methods.

    Args:
        runs: Every run on the setting, left-out and failed ones too.
        truth: The truth about its test images.
        methods: The methods of the table.
        baseline: Key of the method that the others are paired with.
        control: Key of the random-words control, which they are paired with too.
        resamples: Bootstrap resamples.
        seed: Seed of the resampling.
    """
    labels = np.array(truth.labels, dtype=np.int64)
    known = {key: measured_of(key, runs, labels) for key in (*(m.key for m in methods), baseline, control)}
    base, random_words = known[baseline].right, known[control].right
    base_runs = known[baseline].runs
    made = [
        _row(method, known[method.key], runs, truth, labels, resamples=resamples, seed=seed)
        for method in methods
        if any(run.method == method.key for run in runs)
    ]
    for at, row in enumerate(made):
        right, fields = known[row.method].right, dict[str, object]()
        if row.method != baseline and len(right) and len(base):
            fields |= _against_baseline(right, base, labels, resamples=resamples, seed=seed)
            if not truth.shown:
                fields["mcnemar_p"] = _exact(known[row.method].runs, base_runs, labels)
        if row.method != control and len(right) and len(random_words):
            fields |= _against_control(right, random_words, labels, resamples=resamples, seed=seed)
        made[at] = row.model_copy(update=fields)
    adjusted = zip(
        holm_column([row.p_vs_baseline for row in made]),
        holm_column([row.p_vs_control for row in made]),
        strict=True,
    )
    return [
        row.model_copy(update={"p_holm": _p(p), "p_holm_control": _p(p_control)})
        for row, (p, p_control) in zip(made, adjusted, strict=True)
    ]


def measured_of(method: str, runs: Sequence[MethodRun], labels: NDArray[np.int64]) -> MethodMeasurement:
    """One method on a setting, over its seeds.

    Args:
        method: Its key.
        runs: Runs on the setting, of any method.
        labels: Class of each test image `[N]`.
    """
    done = tuple(run for run in runs if run.method == method and run.outcome == "done")
    rights = [predictions_right(np.array(r.predicted), labels) for r in done if r.predicted]
    rights += [np.array(run.precision) for run in done if run.precision]
    return MethodMeasurement(done, np.mean(rights, axis=0) if rights else np.zeros(0))


def _row(
    method: EvalMethod,
    measured: MethodMeasurement,
    runs: Sequence[MethodRun],
    truth: TestRecord,
    labels: NDArray[np.int64],
    *,
    resamples: int,
    seed: int,
) -> Row:
    own = [run for run in runs if run.method == method.key]
    done = measured.runs
    fields: dict[str, object] = {}
    if len(measured.right) and truth.shown:
        mean = bootstrap_mean(measured.right, labels, resamples=resamples, seed=seed)
        f1 = _mean([float(np.mean(run.f1)) for run in done])
        fields = {"mean_precision": _fraction(mean.value), "mean_precision_ci95": mean.ci95, "macro_f1": f1}
    elif len(measured.right):
        fields = _accuracies(measured, truth, labels, resamples=resamples, seed=seed)
    if done and done[0].open_vocabulary:
        fields |= _words(done, truth, labels, resamples=resamples, seed=seed)
    if done and done[0].candidates:
        fields |= _sets(done, truth, labels)
    first = own[0]
    costs = [run.cost for run in own]
    # Seeds ask mostly the same, which is paid for once: what is needed is what the costliest of them needs.
    needed = max(costs, key=lambda cost: (cost.llm_requests + cost.llm_failed, cost.texts))
    return Row(
        method=method.key,
        title=method.title,
        source=method.source,
        data=truth.data,
        setting=truth.setting,
        outcome="done" if done else first.outcome,
        reason=next((run.reason for run in own if run.reason), ""),
        images=len(truth.shown or labels),
        seeds=tuple(run.seed for run in done) if method.seeded else (),
        llm_requests=needed.llm_requests,
        llm_fresh=sum(cost.llm_fresh for cost in costs),
        llm_failed=needed.llm_failed,
        prompt_tokens=needed.prompt_tokens,
        completion_tokens=needed.completion_tokens,
        texts=needed.texts,
        texts_encoded=sum(run.texts_encoded for run in own),
        images_encoded=sum(run.images_encoded for run in own),
        seconds=round(sum(run.seconds for run in own), 3),
        needs=tuple(sorted(need.value for need in method.needs)),
        transductive=method.transductive,
        diagnostics=_means([run.diagnostics for run in done]),
        notes=tuple(dict.fromkeys(note for run in own for note in run.notes)),
        **fields,  # pyright: ignore[reportArgumentType]
    )


def _accuracies(
    measured: MethodMeasurement, truth: TestRecord, labels: NDArray[np.int64], *, resamples: int, seed: int
) -> dict[str, object]:
    right, runs = measured.right, measured.runs
    mean = bootstrap_mean(right, labels, resamples=resamples, seed=seed)
    alone = bootstrap_mean(right, None, resamples=resamples, seed=seed)
    groups = truth.groups or tuple(truth.classes[label] for label in labels)
    hits = [predictions_right(np.array(run.predicted), labels) for run in runs]
    by_group = [group_accuracy(hit, groups) for hit in hits]
    spread = over_seeds([hit.mean() for hit in hits])
    fields: dict[str, object] = {
        "top1": _fraction(mean.value),
        "ci95": mean.ci95,
        "ci95_images": alone.ci95,
        "top5": _mean([float(np.mean(run.among_five)) for run in runs]),
        "macro": _mean([group_accuracy(hit, labels).macro for hit in hits]),
        "worst_group": _mean([float(each.accuracy[each.worst]) for each in by_group]),
        "worst_group_name": str(by_group[0].names[by_group[0].worst]),
        "ece": _mean([reliability(run.confidence, hit).error for run, hit in zip(runs, hits, strict=True)]),
        "spread": None if spread.deviation is None else _fraction(spread.deviation),
    }
    if truth.distances:
        table = np.array(truth.distances)
        steps = np.stack([_steps(np.array(run.predicted), labels, table) for run in runs])
        squares = bootstrap_mean((steps**2).mean(axis=0), labels, resamples=resamples, seed=seed)
        fields |= {
            "tree_distance": _fraction(float(steps.mean())),
            "tree_distance_squared": _fraction(squares.value),
            "tree_distance_squared_ci95": squares.ci95,
        }
    return fields


def _steps(predicted: NDArray[np.int64], labels: NDArray[np.int64], distances: Floats) -> Floats:
    """Distance of each prediction from the truth; no prediction is as far from it as any class."""
    found = label_distances(np.maximum(predicted, 0), labels, distances)
    return np.where(predicted < 0, distances[:, labels].max(axis=0), found)


def _words(
    runs: Sequence[MethodRun],
    truth: TestRecord,
    labels: NDArray[np.int64],
    *,
    resamples: int,
    seed: int,
) -> dict[str, object]:
    """Figures of words that were found without class names."""
    names = [truth.classes[label] for label in labels]
    right = np.mean([cluster_accuracy(run.names, names).right for run in runs], axis=0)
    means = {name: _mean([run.open_vocabulary[name] for run in runs]) for name in runs[0].open_vocabulary}
    return {**means, "cluster_ci95": bootstrap_mean(right, labels, resamples=resamples, seed=seed).ci95}


def _sets(runs: Sequence[MethodRun], truth: TestRecord, labels: NDArray[np.int64]) -> dict[str, object]:
    found = []
    for run in runs:
        sets = np.zeros((len(labels), len(truth.classes)), dtype=np.bool_)
        for image, own in enumerate(run.candidates):
            sets[image, list(own)] = True
        found.append(candidate_sets(sets, labels))
    return {
        "set_size": _mean([each.size for each in found]),
        "coverage": _mean([each.coverage for each in found]),
    }


def _against_baseline(
    right: Floats, base: Floats, labels: NDArray[np.int64], *, resamples: int, seed: int
) -> dict[str, object]:
    gap = paired_difference(right, base, labels, resamples=resamples, seed=seed)
    return {
        "difference": _fraction(gap.value),
        "difference_ci95": gap.ci95,
        "p_vs_baseline": gap.printed_p,
    }


def _exact(runs: Sequence[MethodRun], base: Sequence[MethodRun], labels: NDArray[np.int64]) -> float | None:
    """McNemar's p, which is about one right or wrong an image: of several seeds the first stands for all."""
    firsts = [min((run for run in each if run.predicted), key=lambda run: run.seed) for each in (runs, base)]
    own, other = (predictions_right(np.array(run.predicted), labels) for run in firsts)
    return _p(mcnemar(own, other).p)


def _against_control(
    right: Floats, control: Floats, labels: NDArray[np.int64], *, resamples: int, seed: int
) -> dict[str, object]:
    gap = paired_difference(right, control, labels, resamples=resamples, seed=seed)
    return {
        "control_difference": _fraction(gap.value),
        "control_difference_ci95": gap.ci95,
        "p_vs_control": gap.printed_p,
    }


def _means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for own in figures for name in own)
    return {name: _mean([own[name] for own in figures if name in own]) for name in names}


def _mean(values: Sequence[float]) -> float:
    return _fraction(float(np.mean(values)))


def _fraction(value: float) -> float:
    return round(value, 4)


def _p(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")
