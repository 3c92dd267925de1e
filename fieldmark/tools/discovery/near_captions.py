"""The captions nearest to each image, those that repeat a nearer one left out (Conti et al. 2023, CaSED)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.tools.scoring.neighbours import nearest_rows
from fieldmark.tools.scoring.vectors import image_steps, unit


@dataclass(frozen=True)
class NearCaptions:
    """The captions of each image.

    Attributes:
        index: Caption of each place, nearest first [N, k], int64.
        kept: Which are no near-duplicate of a nearer one [N, k], bool.
    """

    index: Tensor
    kept: Tensor


def near_captions(images: Tensor, caption_vectors: Tensor, *, k: int, duplicate: float) -> NearCaptions:
    """Retrieve captions by cosine and find those that say the same.

    Near-duplicates count in chains: where a ~ b and b ~ c, only the nearest to the image stays, even if a
    and c differ.

    Args:
        images: Unit image vectors [N, D], float32.
        caption_vectors: Unit caption vectors [M, D], of any float type.
        k: How many to retrieve; fewer where there are not so many.
        duplicate: Captions whose cosine is above say the same.

    Returns:
        The captions; at least one is kept per image.
    """
    index, _ = nearest_rows(images, caption_vectors, k)
    kept = torch.empty_like(index, dtype=torch.bool)
    places = index.shape[1]
    for step in image_steps(len(images), places * (images.shape[1] + 4 * places)):
        near = unit(caption_vectors[index[step]])
        kept[step] = _first_of_chains(near @ near.transpose(1, 2) > duplicate)
    return NearCaptions(index, kept)


def caption_centroids(near: NearCaptions, caption_vectors: Tensor, step: slice) -> Tensor:
    """Unit mean of the unit vectors of the captions kept, for some images [n, D], float32."""
    rows = unit(caption_vectors[near.index[step]])
    kept = near.kept[step].to(torch.float32)[..., None]
    return unit((rows * kept).sum(dim=1))


def _first_of_chains(same: Tensor) -> Tensor:
    """Whether each item is the first of its connected component: symmetric [n, k, k] bool to [n, k] bool."""
    places = same.shape[-1]
    reach = (same | torch.eye(places, dtype=torch.bool, device=same.device)).to(torch.float32)
    for _ in range((places - 1).bit_length()):  # each product doubles the length of chains it follows
        reach = (reach @ reach).clamp(max=1)
    return reach.tril(diagonal=-1).sum(dim=-1) == 0
