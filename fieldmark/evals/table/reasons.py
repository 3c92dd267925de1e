"""Why a method prefers one class to another, where its score is a sum: of texts, or of other parts."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import MethodScores, TextSum
from fieldmark.records import Contribution
from fieldmark.tools.scoring.vectors import unit

MOST = 8
"""The most texts that are named of an image; what the others say is summed up."""
TEXT, REST = "text", "rest"
"""Attributes of contributions: one text, and all that is not named."""


def reasons(
    scored: MethodScores, bench: EvalBench, label: Tensor, rival: Tensor, margin: Tensor
) -> list[tuple[Contribution, ...]]:
    """The contributions of each image, the weightiest first; they sum to its margin.

    What a text says of an image is counted from what it says of the images here on average: a text that fits
    all of them alike tells nothing apart. The averages are part of `REST`.

    Args:
        scored: What the method said.
        bench: What it was given.
        label: The best class of each image `[N]` int64.
        rival: The second best `[N]` int64.
        margin: How far their scores are apart `[N]`; not finite where there is no rival.

    Returns:
        N tuples; empty ones where the method's scores are no sum, or there is no rival.
    """
    found: list[list[Contribution]] = [[] for _ in range(len(label))]
    if scored.texts is not None:
        for row, own in enumerate(_of_texts(scored.texts, bench, label, rival)):
            found[row] = sorted(own, key=lambda each: -abs(each.contribution))[:MOST]
    for name, part in scored.parts.items():
        apart = part.gather(1, label[:, None]) - part.gather(1, rival[:, None])
        for row, value in enumerate(apart[:, 0].tolist()):
            found[row].append(Contribution(attribute=name, contribution=value))
    said: list[tuple[Contribution, ...]] = []
    for own, whole in zip(found, margin.tolist(), strict=True):
        if not own or not math.isfinite(whole):
            said.append(())
            continue
        left = whole - sum(each.contribution for each in own)
        rest = [Contribution(attribute=REST, contribution=left)] if scored.texts is not None else []
        said.append(tuple(sorted([*own, *rest], key=lambda each: -abs(each.contribution))))
    return said


def _of_texts(found: TextSum, bench: EvalBench, label: Tensor, rival: Tensor) -> list[list[Contribution]]:
    """What the texts of label and rival say of each image, the weightiest `MOST` of each side."""
    images = bench.vectors - bench.vectors.mean(0)
    said: list[list[Contribution]] = [[] for _ in range(len(label))]
    columns: list[int] = torch.cat([label, rival]).unique().tolist()
    for column in columns:
        texts = list(found.texts[column])
        parts = _parts(texts, found, bench)
        for side in (label, rival):
            rows = (side == column).nonzero()[:, 0]
            values = images[rows] @ parts.T
            top = values.abs().topk(min(MOST, len(texts)), dim=1).indices
            kept = values.gather(1, top).tolist()
            for row, places, shares in zip(rows.tolist(), top.tolist(), kept, strict=True):
                said[row] += [
                    _text(texts[place], share, of_label=side is label)
                    for place, share in zip(places, shares, strict=True)
                ]
    return said


def _parts(texts: Sequence[str], found: TextSum, bench: EvalBench) -> Tensor:
    """For each text `[k, D]` the vector whose product with an image's is its part of the score."""
    vectors = unit(bench.encode(texts))
    length = vectors.mean(0).norm() if found.pooling == "prototype" else 1.0
    return bench.logit_scale * vectors / (len(texts) * length)


def _text(text: str, share: float, *, of_label: bool) -> Contribution:
    """What a text of the label, or of the runner-up, says."""
    if of_label:
        return Contribution(attribute=TEXT, contribution=share, label_value=text)
    return Contribution(attribute=TEXT, contribution=-share, runner_up_value=text)
