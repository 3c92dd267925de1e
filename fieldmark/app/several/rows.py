"""Makes the records of images that show several classes from arrays of probabilities."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fieldmark.records.label_sets import LabelSet
from fieldmark.tools.images.image_file import ImageFile


def label_rows(
    images: Sequence[ImageFile],
    names: Sequence[str],
    probabilities: NDArray[np.float64],
    holds: NDArray[np.bool_],
    *,
    every: bool,
    said: NDArray[np.bool_] | None = None,
) -> tuple[LabelSet, ...]:
    """One record an image, its classes likeliest first.

    Args:
        images: The N images.
        names: The C classes.
        probabilities: `[N, C]`.
        holds: Whether each class holds `[N, C]`.
        every: Whether a record has the probability of every class.
        said: Whether a person said so `[N]`; nobody did where not given.
    """
    shares = probabilities.round(6)
    order = np.argsort(-np.where(holds, shares, -1.0), axis=1, kind="stable")
    made: list[LabelSet] = []
    for at, (image, count) in enumerate(zip(images, holds.sum(axis=1).tolist(), strict=True)):
        own: list[int] = order[at, :count].tolist()
        made.append(
            LabelSet(
                image=str(image.path),
                image_hash=image.content_hash,
                labels=tuple(names[place] for place in own),
                probabilities=tuple(shares[at, own].tolist()),
                every=tuple(shares[at].tolist()) if every else (),
                said=said is not None and bool(said[at]),
            )
        )
    return tuple(made)
