"""Checks that image, class and support vectors fit each other; says which support is held out."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import InputError


@dataclass(frozen=True)
class Support:
    """Images whose class is known or taken to be known.

    Attributes:
        vectors: Unit image vectors [S, D].
        labels: Class index of each [S], int64.
        rows: Row of each in the pool that it was chosen from [S], int64; None where it comes from elsewhere.
    """

    vectors: Tensor
    labels: Tensor
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.vectors)


def fitting_vectors(image_vectors: Tensor, class_vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Image vectors [N, D] and class vectors [C, D] as float32.

    Raises:
        InputError: If there is no class, or the two are not matrices of one width.
    """
    if image_vectors.ndim != 2 or class_vectors.ndim != 2 or image_vectors.shape[1] != class_vectors.shape[1]:
        raise InputError(
            f"Image vectors {tuple(image_vectors.shape)} do not fit class vectors "
            f"{tuple(class_vectors.shape)}.",
            hint="Give [N, D] and [C, D] from one encoder.",
        )
    if not len(class_vectors):
        raise InputError("There are no classes to score.", hint="Give the vector of at least one class.")
    return image_vectors.to(torch.float32), class_vectors.to(torch.float32)


def fitting_support(support: Support, classes: int, width: int) -> tuple[Tensor, Tensor]:
    """Support vectors [S, D] as float32 and labels [S] as int64.

    Raises:
        InputError: If there is no support image, shapes do not fit, or a label is no class.
    """
    if not len(support):
        raise InputError("There are no support images.", hint="Give at least one, with its class index.")
    if support.vectors.shape != (len(support), width) or support.labels.shape != (len(support),):
        raise InputError(
            f"Support vectors {tuple(support.vectors.shape)} and labels {tuple(support.labels.shape)} do not "
            f"fit image vectors of width {width}.",
            hint="Give [S, D] vectors from the same encoder and [S] labels.",
        )
    labels = support.labels.to(torch.int64)
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise InputError(
            f"A support label lies outside of 0 to {classes - 1}.",
            hint="Use class indices in the order of the class vectors.",
        )
    return support.vectors.to(torch.float32), labels


def held_out_shots(labels: Tensor) -> Tensor:
    """Which support images are held out to choose constants on.

    Every fourth of a class (the 4th, 8th…); of two or three the last; a class with one image keeps it.

    Args:
        labels: Class of each support image [S], int64.

    Returns:
        [S] bool; the same for the same labels.
    """
    order = labels.argsort(stable=True)
    sizes = torch.bincount(labels)
    ends = sizes.cumsum(0)
    place = torch.empty_like(labels)
    place[order] = torch.arange(len(labels), device=labels.device) - (ends - sizes)[labels[order]]
    own = sizes[labels]
    return torch.where(own < 4, (own > 1) & (place == own - 1), place % 4 == 3)


def label_sums(values: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Sum over the support images of each class: valuesᵀ·onehot without the one-hot matrix.

    Args:
        values: One row per support image [S, n].
        labels: Class of each support image [S], int64.
        classes: C.

    Returns:
        [n, C], of the type of `values`.
    """
    return values.new_zeros(classes, values.shape[1]).index_add_(0, labels, values).T
