"""The texts of each class as one bag, and which of its class's texts each image shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.scoring.vectors import Encode, encode_groups, image_steps, unit


@dataclass(frozen=True)
class Bags:
    """Distinct texts and whose they are; a text that several classes share speaks against none of them.

    Attributes:
        vectors: Unit vectors `[M, D]` float32, a row per distinct text.
        member: Whether a class's bag holds a text `[C, M]` bool; every class has one at least.
    """

    vectors: Tensor
    member: Tensor

    @property
    def classes(self) -> int:
        """C."""
        return len(self.member)


def make_bags(texts: Sequence[Sequence[str]], encode: Encode) -> Bags:
    """Encode the texts of every class, each distinct text once.

    Args:
        texts: Texts of each class; a text counts once per class, however often it is given.
        encode: The text encoder.

    Raises:
        InputError: There is no class, or one without texts.
        ModelError: The encoder does not return one row of finite numbers per text.
    """
    encoded = encode_groups(texts, encode)
    member = torch.zeros(len(encoded.sizes), len(encoded.vectors), dtype=torch.bool)
    member[encoded.group, encoded.text] = True
    return Bags(encoded.vectors, member)


def matched_texts(vectors: Tensor, labels: Tensor, bags: Bags, *, k: int) -> Tensor:
    """The k texts of its class that each image is nearest to, by cosine; the first among equals.

    A description of a class is not true of each of its images: what is hidden in one, or wrong, is better
    left out. Source: GIST (Lewis et al. 2023), which takes k = 5.

    Args:
        vectors: Image vectors `[N, D]`.
        labels: Their classes `[N]` int64.
        bags: The texts.
        k: Texts an image, at least 1.

    Returns:
        Rows of `bags.vectors` `[N, k]` int64, the nearest first; -1 where a class has fewer texts.

    Raises:
        InputError: k is below 1, or labels and vectors do not fit.
    """
    if k < 1:
        raise InputError(f"An image cannot have {k} matched texts.", hint="Take at least one.")
    check_images(vectors, labels, bags)
    most = min(k, len(bags.vectors))
    found = torch.full((len(vectors), k), -1, dtype=torch.int64)
    rows = unit(vectors)
    for part in image_steps(len(rows), 3 * len(bags.vectors)):
        near = (rows[part] @ bags.vectors.T).masked_fill(~bags.member[labels[part]], -torch.inf)
        order = near.argsort(dim=1, descending=True, stable=True)[:, :most]
        found[part, :most] = order.masked_fill(near.gather(1, order).isinf(), -1)
    return found


def check_images(vectors: Tensor, labels: Tensor, bags: Bags) -> None:
    """Refuse image vectors and labels that do not fit each other or the bags.

    Raises:
        InputError: They do not fit, there are none, or a number is not finite.
    """
    fits = vectors.ndim == 2 and len(vectors) == len(labels) > 0 and vectors.shape[1] == bags.vectors.shape[1]
    if not fits or labels.dtype != torch.int64:
        raise InputError(
            f"Image vectors {tuple(vectors.shape)} and labels {tuple(labels.shape)} ({labels.dtype}) do not "
            f"fit texts {tuple(bags.vectors.shape)}.",
            hint="Give one vector and one class number per image, from the encoder that encoded the texts.",
        )
    check_labels(labels, bags)
    if not bool(torch.isfinite(vectors).all()):
        raise InputError("A vector holds numbers that are not finite.", hint="Leave out images without one.")


def check_labels(labels: Tensor, bags: Bags) -> None:
    """Refuse labels without a bag.

    Raises:
        InputError: There is one.
    """
    if bool(((labels < 0) | (labels >= bags.classes)).any()):
        raise InputError(
            f"Labels from {int(labels.min())} to {int(labels.max())} do not fit {bags.classes} bags.",
            hint="Number the classes from 0, in the order of their bags.",
        )
