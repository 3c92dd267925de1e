"""Low-rank changes (LoRA) to the last layers of an image tower, tuned to descriptions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.clip.adapters.bags import Bags, check_images
from fieldmark.tools.clip.adapters.tuning import AdapterRecipe, tune
from fieldmark.tools.clip.last_layers import Changes, LastLayers
from fieldmark.tools.scoring.vectors import image_steps, unit

RECIPE = AdapterRecipe()
RANK = 8
_KEPT = 1 << 27
"""Numbers of half-done images that are kept while tuning (512 MiB); beyond, they are done anew each step."""


@dataclass(frozen=True)
class LowRankAdapter:
    """Last layers with small changes. Source: Hu et al. 2021.

    Attributes:
        layers: The untouched layers.
        changes: Down `[r, in]` and up `[out, r]` by the name of the matrix, float32.
        losses: The loss of each step of its tuning.
        scale: What cosines of adapted vectors are multiplied with; 0 where nothing was tuned.
    """

    layers: LastLayers
    changes: Changes
    losses: tuple[float, ...] = ()
    scale: float = 0.0

    def __call__(self, features: Tensor) -> Tensor:
        """Turn features into vectors.

        Args:
            features: `[N, *layers.shape]`, any floating type.

        Returns:
            Unit vectors `[N, D]` float32; to the bit those of the untouched layers where nothing is changed.

        Raises:
            InputError: Features of another shape.
        """
        return last_vectors(self.layers, features, self.changes)


def last_vectors(layers: LastLayers, features: Tensor, changes: Changes | None = None) -> Tensor:
    """Unit vectors `[N, D]` float32 of features `[N, *shape]`.

    Raises:
        InputError: Features of another shape.
    """
    if tuple(features.shape[1:]) != layers.shape:
        raise InputError(
            f"Features {tuple(features.shape)} do not fit layers that take {layers.shape} an image.",
            hint="Give features of the encoder whose layers these are.",
        )
    parts = [
        unit(layers.finish(layers.begin(features[part]), changes or {}))
        for part in image_steps(len(features), 4 * math.prod(layers.shape))
    ]
    return torch.cat(parts) if parts else unit(layers.finish(layers.begin(features), changes or {}))


def tune_low_rank(
    layers: LastLayers,
    features: Tensor,
    labels: Tensor,
    bags: Bags,
    *,
    scale: float,
    matrices: Sequence[str] | None = None,
    rank: int = RANK,
    recipe: AdapterRecipe = RECIPE,
    seed: int = 0,
) -> LowRankAdapter:
    """Tune low-rank changes so that images come near to the texts of their classes.

    What lies before the last layers is never run again, and what no change touches is done once.

    Args:
        layers: The last layers.
        features: What they are given `[N, *layers.shape]`.
        labels: The class of each image `[N]` int64.
        bags: The texts of each class.
        scale: What cosines are multiplied with: the encoder's `logit_scale`.
        matrices: Which matrices are changed; all of `layers.sizes` where not given.
        rank: Rank of each change.
        recipe: How.
        seed: Decides where the changes start and which images a step sees.

    Raises:
        InputError: Features, labels and texts do not fit, or there is no such matrix.
    """
    names = tuple(layers.sizes if matrices is None else matrices)
    if rank < 1 or not names or not set(names) <= set(layers.sizes):
        raise InputError(
            f"Changes of rank {rank} to {', '.join(names) or 'nothing'} cannot be tuned.",
            hint=f"Give a rank of at least 1, and some of {', '.join(layers.sizes)}.",
        )
    untuned = last_vectors(layers, features)
    check_images(untuned, labels, bags)
    rng = torch.Generator().manual_seed(seed)
    changes = {name: _start(layers.sizes[name], rank, rng) for name in names}
    begun = _begun(layers, features)

    def vectors_of(images: Tensor) -> Tensor:
        rows = (
            layers.begin(features[images])
            if begun is None
            else tuple(part.index_select(0, images) for part in begun)
        )
        return unit(layers.finish(rows, changes))

    tuned = tune(
        [part for change in changes.values() for part in change],
        vectors_of,
        lambda: _size(changes),
        untuned=untuned,
        labels=labels,
        bags=bags,
        scale=scale,
        recipe=recipe,
        seed=seed + 1,
    )
    made = {name: (down.detach(), up.detach()) for name, (down, up) in changes.items()}
    return LowRankAdapter(layers, made, tuned.losses, tuned.scale)


def _start(size: tuple[int, int], rank: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Down at random, up at zero: together they change nothing yet, and both can learn."""
    out, inside = size
    down = torch.randn(rank, inside, generator=rng) / inside**0.5
    return down.requires_grad_(), torch.zeros(out, rank).requires_grad_()


def _begun(layers: LastLayers, features: Tensor) -> tuple[Tensor, ...] | None:
    one = sum(part.numel() for part in layers.begin(features[:1]))
    if one * len(features) > _KEPT:
        return None
    parts = [layers.begin(features[part]) for part in image_steps(len(features), 4 * one)]
    return tuple(torch.cat(each) for each in zip(*parts, strict=True))


def _size(changes: Mapping[str, tuple[Tensor, Tensor]]) -> Tensor:
    """Sum of the squared entries of all up @ down, without making those large matrices."""
    sizes = [((up.T @ up) * (down @ down.T)).sum() for down, up in changes.values()]
    return torch.stack(sizes).sum()
