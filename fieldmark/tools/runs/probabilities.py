"""Reads the probabilities of all classes that a run keeps."""

import numpy as np
import numpy.typing as npt

from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import RunError
from fieldmark.records import ClassProbabilities

MOST = 250_000_000
"""The most image × class pairs that are held at once: 1 GB."""


def all_probabilities(kept: ClassProbabilities, arrays: ArrayStore) -> npt.NDArray[np.float32]:
    """The probability of every class of every image `[N, C]`, also where few classes an image were kept.

    Args:
        kept: What the run says of them.
        arrays: Its store.

    Raises:
        RunError: They are too many.
    """
    shares = arrays.get(kept.array).astype(np.float32, copy=False)
    if not kept.listed:
        return shares
    images, classes = len(shares), len(kept.classes)
    if images * classes > MOST:
        raise RunError(
            f"The probabilities of {classes:,} classes for {images:,} images are too many to hold at once.",
            hint="The run keeps those of each image's likeliest classes; predictions.jsonl lists the best.",
        )
    whole = np.zeros((images, classes), np.float32)
    np.put_along_axis(whole, arrays.get(kept.listed)[:images].astype(np.int64), shares, axis=1)
    return whole
