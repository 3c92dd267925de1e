"""Turns what a method said into the record of its run, held against the truth for the first time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fieldmark.errors import ModelError
from fieldmark.evals.metrics.accuracy import label_ranks
from fieldmark.evals.metrics.multi_label import class_f1, class_precision
from fieldmark.evals.metrics.open_vocabulary import cluster_accuracy, semantic_iou, semantic_similarity
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import MethodScores
from fieldmark.evals.table.records import MethodRun
from fieldmark.tools.scoring.multi_label import ClassOdds, best_thresholds, standing_out

FIVE = 5


def run_record(
    scored: MethodScores,
    bench: EvalBench,
    *,
    method: str,
    identity: str,
    reason: str,
    texts_encoded: int,
    images_encoded: int,
    seconds: float,
) -> MethodRun:
    """The record of one run.

    Args:
        scored: What the method said.
        bench: What it was given, with its counters.
        method: Its key.
        identity: Hash of all that decides the result.
        reason: Why it failed; empty where it did not.
        texts_encoded: Texts encoded anew meanwhile.
        images_encoded: Images encoded anew meanwhile.
        seconds: Wall time, test images encoded before.

    Raises:
        ModelError: The method returned something of another shape, or NaN: a fault of its code.
    """
    test = bench.test
    fields: dict[str, object] = {}
    names = scored.names
    if not reason and scored.scores is not None and test.shown:
        check_scores(scored.scores, len(test.images), len(test.classes), method)
        fields = several_labels(scored.scores, test.truth[:, test.labels], test.labels)
    elif not reason and scored.scores is not None:
        check_scores(scored.scores, len(test.images), len(test.classes), method)
        predicted = labels_of(scored.scores)
        fields = {
            "predicted": tuple(predicted.tolist()),
            "confidence": tuple(round(c, 5) for c in confidence(scored, predicted).tolist()),
            "among_five": tuple((label_ranks(scored.scores.numpy(), test.labels) < FIVE).tolist()),
        }
        if not test.names_given:  # an upper bound, to be read beside words that were found
            names = tuple(test.classes[p] if p >= 0 else "" for p in predicted.tolist())
    if not reason and scored.candidates is not None:
        fields["candidates"] = tuple(
            tuple(row.nonzero().flatten().tolist()) for row in scored.candidates.cpu()
        )
    cost = bench.cost  # before measuring asks the encoder for the true names
    if names:
        fields["open_vocabulary"] = open_vocabulary(names, bench)
    return MethodRun(
        identity=identity,
        data=test.data,
        setting=test.setting,
        method=method,
        seed=bench.seed,
        outcome="failed" if reason else "done",
        reason=reason,
        names=names,
        diagnostics={name: round(value, 6) for name, value in scored.diagnostics.items()},
        cost=cost,
        texts_encoded=texts_encoded,
        images_encoded=images_encoded,
        seconds=seconds,
        notes=(*scored.notes, *bench.notes),
        **fields,  # pyright: ignore[reportArgumentType]
    )


def several_labels(scores: Tensor, truth: NDArray[np.bool_], places: NDArray[np.int64]) -> dict[str, object]:
    """Average precision and F1 of the classes that images show, each by its own threshold.

    Args:
        scores: `[N, C]`.
        truth: Of these classes `[N, K]`.
        places: Their columns `[K]`.
    """
    table = scores.numpy().astype(np.float64)
    p = ClassOdds.uncalibrated(table.shape[1]).probabilities(standing_out(table))
    holds = (p >= best_thresholds(p))[:, places]
    return {
        "precision": tuple(class_precision(table[:, places], truth).round(6).tolist()),
        "f1": tuple(class_f1(holds, truth).round(6).tolist()),
    }


def labels_of(scores: Tensor) -> Tensor:
    """The class with the best score of each image `[N]` int64; -1 where every class is out of the running."""
    return torch.where(scores.max(dim=1).values.isinf(), -1, scores.argmax(dim=1))


def probabilities_of(scored: MethodScores, scores: Tensor) -> Tensor:
    """A method's own probabilities `[N, C]` float32; else the softmax of its scores."""
    if scored.probabilities is not None:
        return scored.probabilities
    return scores.to(torch.float32).softmax(dim=1).nan_to_num(0.0)


def confidence(scored: MethodScores, predicted: Tensor) -> Tensor:
    """What the method believes of the class it predicts `[N]`."""
    if scored.scores is None:
        return torch.zeros(len(predicted))
    probabilities = probabilities_of(scored, scored.scores)
    return probabilities.gather(1, predicted.clamp(min=0)[:, None]).squeeze(1)


def open_vocabulary(names: tuple[str, ...], bench: EvalBench) -> dict[str, float]:
    """How near the words found for each image come to its true name."""
    true = [str(image.label) for image in bench.test.images]
    return {
        "cluster_accuracy": round(cluster_accuracy(names, true).accuracy, 5),
        "semantic_similarity": round(float(semantic_similarity(names, true, bench.encode).mean()), 5),
        "semantic_iou": round(float(semantic_iou(names, true).mean()), 5),
    }


def check_scores(scores: Tensor, images: int, classes: int, method: str) -> None:
    """Refuse scores of another shape, or with NaN among them.

    Raises:
        ModelError: They are.
    """
    if scores.shape != (images, classes) or bool(scores.isnan().any()):
        raise ModelError(
            f"Method {method} returned scores {tuple(scores.shape)}, or NaN among them, for {images} images "
            f"and {classes} classes.",
            hint="A method returns one finite score, or -inf, for each image and class.",
        )
