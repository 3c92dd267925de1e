"""A linear map on frozen image vectors, tuned to descriptions from doing nothing on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.clip.adapters.bags import Bags, check_images
from fieldmark.tools.clip.adapters.tuning import AdapterRecipe, tune
from fieldmark.tools.scoring.vectors import unit

RECIPE = AdapterRecipe()


@dataclass(frozen=True)
class LinearAdapter:
    """`unit(f + change @ f)` for a unit vector f.

    Attributes:
        change: `[D, D]` float32; zeros do nothing.
        losses: The loss of each step of its tuning.
        scale: What cosines of adapted vectors are multiplied with; 0 where nothing was tuned.
    """

    change: Tensor
    losses: tuple[float, ...] = ()
    scale: float = 0.0

    @property
    def width(self) -> int:
        """D."""
        return len(self.change)

    def __call__(self, vectors: Tensor) -> Tensor:
        """Adapt image vectors.

        Args:
            vectors: Unit vectors `[N, D]`; a row of zeros stays one.

        Returns:
            Unit vectors `[N, D]` float32; those given, to the bit, where the change is zero.

        Raises:
            InputError: They have another length.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.width:
            raise InputError(
                f"Vectors {tuple(vectors.shape)} do not fit an adapter of width {self.width}.",
                hint="Give vectors of the encoder that it was tuned for.",
            )
        if not bool(self.change.any()):
            return vectors
        return unit(vectors + vectors @ self.change.T)


def tune_linear(
    vectors: Tensor,
    labels: Tensor,
    bags: Bags,
    *,
    scale: float,
    recipe: AdapterRecipe = RECIPE,
    seed: int = 0,
) -> LinearAdapter:
    """Tune a linear map so that images come near to the texts of their classes.

    Args:
        vectors: Image vectors `[N, D]` float32.
        labels: Their classes `[N]` int64.
        bags: The texts of each class.
        scale: What cosines are multiplied with: the encoder's `logit_scale`.
        recipe: How.
        seed: Decides which images a step sees.

    Raises:
        InputError: Vectors, labels and texts do not fit, or a number is not finite.
    """
    check_images(vectors, labels, bags)
    rows = unit(vectors)
    change = torch.zeros(rows.shape[1], rows.shape[1], requires_grad=True)

    def vectors_of(images: Tensor) -> Tensor:
        own = rows[images]
        return unit(own + own @ change.T)

    tuned = tune(
        [change],
        vectors_of,
        lambda: change.square().sum(),
        untuned=rows,
        labels=labels,
        bags=bags,
        scale=scale,
        recipe=recipe,
        seed=seed,
    )
    return LinearAdapter(change.detach(), tuned.losses, tuned.scale)
