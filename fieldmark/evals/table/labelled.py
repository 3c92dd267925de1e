"""What a method says of images whose class nobody knows, as the predictions of a run."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import MethodScores
from fieldmark.evals.table.reasons import reasons
from fieldmark.evals.table.score import check_scores, labels_of, probabilities_of
from fieldmark.records import CandidateClass, Prediction, Status
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.scoring.candidates import Margin

_STATUS: tuple[Status, ...] = ("rejected", "resolved", "open")
"""By how many classes are left: none, one, several."""


@dataclass(frozen=True, kw_only=True)
class MethodLabels:
    """What a method made of N images.

    Attributes:
        predictions: One for each image, in order.
        probabilities: Of every class `[N, C]` float32.
    """

    predictions: tuple[Prediction, ...]
    probabilities: Tensor


def labelled(
    scored: MethodScores,
    bench: EvalBench,
    *,
    method: str,
    tau: float,
    most: int,
    said: Mapping[str, str | None],
) -> MethodLabels:
    """Turn a method's scores into predictions.

    The label is the class with the best score, as in the table. The classes left are the method's own set of
    candidates; where it leaves none such, those at least `tau` times as probable as the best one.

    Args:
        scored: What the method said.
        bench: What it was given: the images and the classes.
        method: Its key.
        tau: Share of the best probability, in (0, 1].
        most: The most candidates that a prediction lists.
        said: What people said of images, by content hash: a class, or None for none of them. It stands
            before what the method says.

    Raises:
        ModelError: The method scores no classes, or returned something of another shape, or NaN.
    """
    names = bench.classes
    scores = scored.scores if scored.scores is not None else torch.empty(0)
    check_scores(scores, len(bench.images), len(names), method)
    probabilities = probabilities_of(scored, scores)
    every = torch.isfinite(scores)
    left = Margin(tau=tau, k=len(names))(probabilities, every)
    left = left if scored.candidates is None else scored.candidates.cpu() & every
    sizes = left.sum(1).tolist()
    best: list[int] = labels_of(scores).clamp(min=0).tolist()
    ranked = scores.masked_fill(~left, -torch.inf).sort(dim=1, descending=True, stable=True).indices[:, :most]
    shares = probabilities.clamp(0, 1).gather(1, ranked).tolist()
    sure = probabilities.clamp(0, 1).gather(1, torch.tensor(best)[:, None])[:, 0].tolist()
    rivals = scores.scatter(1, torch.tensor(best)[:, None], -torch.inf).max(dim=1)
    margins = scores.gather(1, torch.tensor(best)[:, None])[:, 0] - rivals.values
    why = reasons(scored, bench, torch.tensor(best), rivals.indices, margins)
    predictions: list[Prediction] = []
    for row, (image, own) in enumerate(zip(bench.images, ranked.tolist(), strict=True)):
        if image.content_hash in said:
            predictions.append(_said(image, said[image.content_hash], names[best[row]]))
            continue
        kept = list(zip(own, shares[row], strict=True))[: sizes[row]] or [(best[row], sure[row])]
        rival = bool(margins[row].isfinite())
        predictions.append(
            Prediction(
                image=str(image.path),
                image_hash=image.content_hash,
                label=names[best[row]],
                confidence=sure[row],
                status=_STATUS[min(2, sizes[row])],
                candidates=tuple(
                    CandidateClass(class_name=names[place], probability=share) for place, share in kept
                ),
                candidates_left=sizes[row],
                rounds=0,
                runner_up=names[int(rivals.indices[row])] if rival else None,
                margin=float(margins[row]) if rival else None,
                contributions=why[row],
                decided_by="method",
            )
        )
    return MethodLabels(predictions=tuple(predictions), probabilities=probabilities)


def _said(image: ImageFile, label: str | None, guess: str) -> Prediction:
    """What a person said of an image; `guess` is the method's."""
    name = guess if label is None else label
    return Prediction(
        image=str(image.path),
        image_hash=image.content_hash,
        label=name,
        confidence=0.0 if label is None else 1.0,
        status="rejected" if label is None else "resolved",
        candidates=(CandidateClass(class_name=name, probability=0.0 if label is None else 1.0),),
        candidates_left=0 if label is None else 1,
        rounds=0,
        decided_by="label",
    )
