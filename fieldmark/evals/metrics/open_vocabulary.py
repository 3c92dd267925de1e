"""How well free words name images: agreement of clusters, of words, and of meaning."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldmark.errors import InputError
from fieldmark.tools.scoring.vectors import Encode, encode_unit


@dataclass(frozen=True)
class ClusterAccuracy:
    """Accuracy after the best one-to-one renaming of predicted words.

    Attributes:
        accuracy: Share of right images.
        right: Whether each image is right under the renaming [N] bool, for intervals and paired tests.
        names: Predicted word → true name; words that no name was left for are missing.
    """

    accuracy: float
    right: NDArray[np.bool_]
    names: dict[str, str]


def cluster_accuracy(predicted: Sequence[str], truth: Sequence[str]) -> ClusterAccuracy:
    """Accuracy of images clustered by predicted word, each word standing for at most one true name.

    Words are compared as they are; the assignment with the most right images is found by the Hungarian
    method. Source: Conti et al. 2023 (CaSED). Where several assignments are equally good,
    `right` is that of one of them, the same on every run; the accuracy does not depend on it.

    Args:
        predicted: One word per image [N].
        truth: The true name of each [N].

    Raises:
        InputError: If lengths differ or there is no image.
    """
    _check(predicted, truth)
    words, word = np.unique(np.array(predicted, dtype=object), return_inverse=True)
    labels, label = np.unique(np.array(truth, dtype=object), return_inverse=True)
    counts = np.zeros((len(words), len(labels)), dtype=np.int64)
    np.add.at(counts, (word, label), 1)
    # Importing scipy.optimize takes a while, and few callers come here.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(counts, maximize=True)
    renamed = np.full(len(words), -1, dtype=np.int64)
    renamed[rows] = columns
    right = renamed[word] == label
    names = {str(words[row]): str(labels[column]) for row, column in zip(rows, columns, strict=True)}
    return ClusterAccuracy(float(right.mean()), right, names)


def semantic_similarity(
    predicted: Sequence[str], truth: Sequence[str], encode: Encode
) -> NDArray[np.float64]:
    """Cosine between the vectors of predicted and true name of each image [N] float64; report the mean.

    Source: Conti et al. 2023 (CaSED), whose encoder is Sentence-BERT; figures made with
    different encoders cannot be compared.

    Args:
        predicted: One name per image [N].
        truth: The true name of each [N].
        encode: The text encoder; called once with the distinct names.

    Raises:
        InputError: If lengths differ or there is no image.
        ModelError: If the encoder does not return one row of finite numbers per text.
    """
    _check(predicted, truth)
    place = {name: at for at, name in enumerate(dict.fromkeys([*predicted, *truth]))}
    vectors = encode_unit(list(place), encode).cpu().numpy().astype(np.float64)
    first = vectors[[place[name] for name in predicted]]
    return (first * vectors[[place[name] for name in truth]]).sum(axis=1)


def semantic_iou(predicted: Sequence[str], truth: Sequence[str]) -> NDArray[np.float64]:
    """Shared words over all words of predicted and true name of each image [N] float64; report the mean.

    As the authors do: whatever is neither letter, digit nor space is dropped ("t-shirt" is one word), words
    are compared in lower case, each counts once. Two names without any word share nothing: 0.
    Source: Conti et al. 2023 (CaSED).

    Args:
        predicted: One name per image [N].
        truth: The true name of each [N].

    Raises:
        InputError: If lengths differ or there is no image.
    """
    _check(predicted, truth)
    words = {name: _words(name) for name in {*predicted, *truth}}
    pairs = [(words[first], words[second]) for first, second in zip(predicted, truth, strict=True)]
    return np.array([len(a & b) / len(a | b) if a | b else 0.0 for a, b in pairs])


def _words(name: str) -> frozenset[str]:
    kept = "".join(character for character in name if character.isalnum() or character == " ")
    return frozenset(kept.lower().split())


def _check(predicted: Sequence[str], truth: Sequence[str]) -> None:
    if isinstance(predicted, str) or isinstance(truth, str) or len(predicted) != len(truth) or not truth:
        raise InputError(
            f"{len(predicted)} predicted names for {len(truth)} images.",
            hint="Give one name per image, at least one image.",
        )
