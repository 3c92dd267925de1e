"""Chooses labelled images that show an annotator how a definition is meant: typical and borderline ones."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

MOST_EXEMPLARS = 8
"""In one question: four that are in and four that are out."""


def choose_exemplars(
    hashes: Sequence[str], vectors: Tensor, labels: Mapping[str, Literal["in", "out"]]
) -> tuple[str, ...]:
    """Choose up to eight images: of each label two typical and two borderline ones.

    Typical is nearest to the mean of its label, borderline nearest to that of the other one.

    Args:
        hashes: Content hashes of N labelled images.
        vectors: Their unit vectors [N, D].
        labels: The owner's labels.

    Returns:
        Content hashes; none where a label has no image. Labels take turns, so that none comes last.
    """
    rows = {value: [n for n, each in enumerate(hashes) if labels[each] == value] for value in ("in", "out")}
    if not all(rows.values()):
        return ()
    lead = vectors @ (vectors[rows["in"]].mean(0) - vectors[rows["out"]].mean(0))
    order: list[list[str]] = []
    for value, own in rows.items():
        sure = lead[own] if value == "in" else -lead[own]
        places: list[int] = torch.argsort(sure, descending=True, stable=True).tolist()
        ranked = [hashes[own[n]] for n in places]
        half = MOST_EXEMPLARS // 4
        order.append(list(dict.fromkeys((*ranked[:half], *ranked[-half:]))))
    longest = max(map(len, order))
    return tuple(own[place] for place in range(longest) for own in order if place < len(own))
