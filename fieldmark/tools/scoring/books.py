"""Class scores of a prompt book, by the pooling rule that the book names."""

from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.records import PromptBook
from fieldmark.tools.scoring.dclip import mean_cosine_scores
from fieldmark.tools.scoring.prototype import ensemble_scores
from fieldmark.tools.scoring.vectors import Encode


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
    own = book.by_class()
    texts = [[prompt.text for prompt in prompts] for prompts in own]
    if book.pooling == "mean_cosine":
        return mean_cosine_scores(image_vectors, encode, texts)
    check_weights(book)
    weights = [[prompt.weight for prompt in prompts] for prompts in own]
    return ensemble_scores(image_vectors, encode, texts, weights=weights)


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
