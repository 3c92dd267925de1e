"""What captions near a group's images call them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from fieldmark.tools.discovery.caption_words import caption_phrases
from fieldmark.tools.discovery.groups import ImageGroups
from fieldmark.tools.discovery.near_captions import near_captions
from fieldmark.tools.scoring.vectors import unit

NEAR = 10
DUPLICATE = 0.94
"""How many captions are near an image, and from which cosine on two are one: constants of CaSED."""
LEAST_SHARE = 0.1
"""Share of a group's near captions that must hold a phrase, or half that of the most frequent one."""


@dataclass(frozen=True)
class Mentions:
    """Phrases of captions, by group.

    Attributes:
        phrases: Distinct phrases [P].
        share: Share of the captions near a group's images that hold each [G, P] float32.
        captions: For each group captions near its images, the one nearest to all of them first.
    """

    phrases: tuple[str, ...]
    share: Tensor
    captions: tuple[tuple[str, ...], ...]


def mentions_of(
    vectors: Tensor, groups: ImageGroups, captions: Sequence[str], caption_vectors: Tensor, *, most: int = 12
) -> Mentions:
    """Find what captions call each group.

    Only captions near some image are looked at, so that memory goes by the images, not by the captions.

    Args:
        vectors: Unit image vectors [N, D] float32.
        groups: Groups of these images; an image of none has the number -1.
        captions: Captions of whatever images [M].
        caption_vectors: Their unit vectors [M, D].
        most: How many captions are kept a group.
    """
    grouped = groups.number >= 0
    near = near_captions(vectors[grouped], caption_vectors, k=NEAR, duplicate=DUPLICATE)
    weight = (
        (near.kept / near.kept.sum(1, keepdim=True)).flatten().double().numpy()
    )  # no order of sums decides
    owner = groups.number[grouped, None].expand_as(near.index).flatten().numpy()
    sizes = np.array([len(own) for own in groups.typical], dtype=np.float64)
    held = weight > 0
    used, column = np.unique(near.index.flatten().numpy()[held], return_inverse=True)
    use = csr_array(
        (weight[held] / sizes[owner[held]], (owner[held], column)), shape=(len(sizes), len(used))
    )  # a caption that several images of a group have adds up
    near_ones: list[int] = used.tolist()
    said = [sorted(set(caption_phrases(captions[caption]))) for caption in near_ones]
    place = {phrase: at for at, phrase in enumerate(dict.fromkeys(p for own in said for p in own))}
    rows = np.repeat(np.arange(len(said)), [len(own) for own in said])
    columns = np.array([place[phrase] for own in said for phrase in own], dtype=np.int64)
    holds = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(said), len(place)))
    share = csr_array(use @ holds, dtype=np.float32)
    own_rows = np.split(share.data, share.indptr[1:-1])
    least = np.array([own.max(initial=0.0) / 2 for own in own_rows], dtype=np.float32).clip(max=LEAST_SHARE)
    kept = np.unique(share.indices[share.data >= np.repeat(least, np.diff(share.indptr))])
    phrases = list(place)
    return Mentions(
        phrases=tuple(phrases[at] for at in kept.tolist()),
        share=torch.from_numpy(share[:, kept].toarray()),
        captions=tuple(
            tuple(
                captions[at]
                for at in _nearest(vectors[own], torch.from_numpy(used[near]), caption_vectors, most)
            )
            for own, near in zip(groups.typical, np.split(use.indices, use.indptr[1:-1]), strict=True)
        ),
    )


def _nearest(own: Tensor, captions: Tensor, vectors: Tensor, most: int) -> list[int]:
    """The captions nearest to the mean of some images, the nearest first, of two as near the earlier."""
    captions = captions.sort().values
    cosines = unit(vectors[captions]) @ own.mean(0)
    return captions[cosines.argsort(descending=True, stable=True)[:most]].tolist()
