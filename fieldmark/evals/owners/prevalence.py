"""Makes a concept rare: thins a pool, and weighs held-out pictures to the same share."""

from collections.abc import Sequence
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray

from fieldmark.errors import InputError
from fieldmark.tools.concepts.pool import ImagePool

RARE_SHARE = 0.03
"""Share of the pictures that are in, where a concept is rare."""


def thinned(pool: ImagePool, inside: Sequence[bool], *, share: float, seed: int) -> ImagePool:
    """A pool in which a share of the pictures is in: all that are out stay, and so many of the others.

    Args:
        pool: The pictures.
        inside: Whether each is in.
        share: The share wanted; a pool that has no more stays as it is.
        seed: Decides which stay.

    Raises:
        InputError: Fewer than two would be left that are in.
    """
    rows_in = [row for row, is_in in enumerate(inside) if is_in]
    outside = len(pool) - len(rows_in)
    wanted = min(len(rows_in), round(outside * share / (1 - share)))
    if wanted < 2:
        raise InputError(
            f"Of {len(pool)} pictures {wanted} would be in: too few to learn from.", hint="Use a larger pool."
        )
    stay = set(Random(f"fieldmark rare {seed}").sample(rows_in, wanted))
    kept = [row for row, is_in in enumerate(inside) if not is_in or row in stay]
    return ImagePool(tuple(pool.images[row] for row in kept), pool.vectors[torch.tensor(kept)])


def weights_for(truth: NDArray[np.float64], *, share: float) -> NDArray[np.float64]:
    """Weights `[N]`, 1 on average, that make a share of the pictures be in.

    No picture is lost: recall is estimated from as many pictures as are in, and what is called in wrongly
    counts for as many as there would be.

    Args:
        truth: 1 where a picture is in, else 0 `[N]`; both occur.
        share: The share wanted.
    """
    found = truth.mean()
    return np.where(truth > 0, share / found, (1 - share) / (1 - found))
