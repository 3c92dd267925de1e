"""Class scores of a prompt book, by the pooling rule that the book names."""

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.records import PromptBook
from fieldmark.tools.scoring.prototype import class_prototypes
from fieldmark.tools.scoring.vectors import Encode, encode_groups, mean_vectors


def book_scores(book: PromptBook, image_vectors: Tensor, encode: Encode) -> Tensor:
    """Score images by a book, the way it was found.

    "prototype" weighs each text as the book says; "mean_cosine" does not look at weights.

    Args:
        book: The book; every class has a prompt.
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; rows need not be of unit length.

    Returns:
        Cosines, or means of cosines [N, C], float32.

    Raises:
        InputError: If a class has no prompt, or none with weight.
    """
    return image_vectors.to(torch.float32) @ book_vectors(book, encode).T


def book_vectors(book: PromptBook, encode: Encode) -> Tensor:
    """The vector of each class whose product with an image is the image's score [C, D]; see `book_scores`.

    Raises:
        InputError: If a class has no prompt, or none with weight.
    """
    own = book.by_class()
    texts = [[prompt.text for prompt in prompts] for prompts in own]
    if book.pooling == "mean_cosine":
        # The mean of cosines is the cosine with the mean vector.
        return mean_vectors(encode_groups(texts, encode))
    check_weights(book)
    weights = [[prompt.weight for prompt in prompts] for prompts in own]
    return class_prototypes(texts, encode, weights=weights)


def check_weights(book: PromptBook) -> None:
    """Refuse a book whose weights make no prototype.

    Raises:
        InputError: A weight is negative, or a class has prompts and none of them has weight.
    """
    if book.pooling != "prototype":
        return
    for name, prompts in zip(book.classes, book.by_class(), strict=True):
        weights = [prompt.weight for prompt in prompts]
        if weights and (min(weights) < 0 or not sum(weights) > 0):
            raise InputError(
                f"The prompt book's weights for {name!r} make no mean: one is negative, or all are 0.",
                hint='Mend the book, or set its "pooling" to "mean_cosine", which does not look at weights.',
            )
