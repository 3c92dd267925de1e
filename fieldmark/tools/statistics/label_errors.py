"""Which given labels are probably wrong: confident learning, through cleanlab."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldmark.errors import InputError


@dataclass(frozen=True)
class LabelErrors:
    """What confident learning says of N given labels.

    Attributes:
        places: Rows of the labels that are probably wrong `[M]` int64, the least credible first.
        quality: How credible each label is `[N]` float64, from 0 to 1: its own probability.
    """

    places: NDArray[np.int64]
    quality: NDArray[np.float64]


def label_errors(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> LabelErrors:
    """Find labels that are probably wrong, by probabilities that no label had a part in.

    A class's threshold is the mean probability of its label among the images that bear it; an image above the
    threshold of another class counts as one of that class. So many images of each pair of label and class are
    taken for errors as this count says.

    Source: Northcutt et al. 2021, section 3 (confident joint, prune by noise rate); cleanlab.

    Args:
        labels: The given class of each image `[N]` int64.
        probabilities: Of each class `[N, C]` float32, rows summing to 1.

    Raises:
        InputError: cleanlab is not installed.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise InputError(
            "Label errors are found by the package cleanlab, which is not installed.",
            hint='Install it: pip install "fieldmark[review]"',
        ) from error
    shares = np.clip(probabilities.astype(np.float64), 1e-12, None)
    shares /= shares.sum(axis=1, keepdims=True)
    quality = shares[np.arange(len(labels)), labels]
    # Classes that no image bears say nothing of labels, and cleanlab wants each class borne.
    borne = np.unique(labels)
    own = shares[:, borne] / shares[:, borne].sum(axis=1, keepdims=True)
    if len(borne) < 2:
        return LabelErrors(np.zeros(0, dtype=np.int64), quality)
    found = find_label_issues(
        np.searchsorted(borne, labels), own, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    return LabelErrors(np.asarray(found, dtype=np.int64), quality)
