"""Turns what a method said into the record of its run, held against the truth for the first time."""

import torch
from torch import Tensor

from fieldmark.errors import ModelError
from fieldmark.evals.metrics.accuracy import label_ranks
from fieldmark.evals.metrics.open_vocabulary import cluster_accuracy, semantic_iou, semantic_similarity
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import MethodScores
from fieldmark.evals.table.records import MethodRun

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
    if not reason and scored.scores is not None:
        _check(scored.scores, len(test.images), len(test.classes), method)
        best = scored.scores.max(dim=1)
        predicted = torch.where(best.values.isinf(), -1, scored.scores.argmax(dim=1))
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


def confidence(scored: MethodScores, predicted: Tensor) -> Tensor:
    """What the method believes of the class it predicts `[N]`: its own probabilities, else the softmax."""
    if scored.scores is None:
        return torch.zeros(len(predicted))
    probabilities = scored.probabilities
    if probabilities is None:
        probabilities = scored.scores.to(torch.float32).softmax(dim=1).nan_to_num(0.0)
    return probabilities.gather(1, predicted.clamp(min=0)[:, None]).squeeze(1)


def open_vocabulary(names: tuple[str, ...], bench: EvalBench) -> dict[str, float]:
    """How near the words found for each image come to its true name."""
    true = [str(image.label) for image in bench.test.images]
    return {
        "cluster_accuracy": round(cluster_accuracy(names, true).accuracy, 5),
        "semantic_similarity": round(float(semantic_similarity(names, true, bench.encode).mean()), 5),
        "semantic_iou": round(float(semantic_iou(names, true).mean()), 5),
    }


def _check(scores: Tensor, images: int, classes: int, method: str) -> None:
    if scores.shape != (images, classes) or bool(scores.isnan().any()):
        raise ModelError(
            f"Method {method} returned scores {tuple(scores.shape)}, or NaN among them, for {images} images "
            f"and {classes} classes.",
            hint="A method returns one finite score, or -inf, for each image and class.",
        )
