"""Reads what a prompt search is given: labelled images, and texts about their classes."""

from collections.abc import Sequence
from pathlib import Path

from fieldmark.errors import InputError
from fieldmark.records import PromptBook
from fieldmark.tools.books.descriptions import GivenTexts, read_descriptions
from fieldmark.tools.datasets.labelled import LabelledImages, read_labelled
from fieldmark.tools.datasets.proapo import is_proapo_folder, read_proapo_folder


def read_inputs(
    data: Path,
    *,
    images: Path | None,
    shots: int,
    seed: int,
    classes: Sequence[str],
    book: PromptBook | None,
    descriptions: Sequence[Path],
) -> tuple[LabelledImages, GivenTexts]:
    """Read the images and the texts.

    Args:
        data: What `read_labelled` reads, or a dataset folder of the ProAPO repository.
        images: Where the paths of a list start.
        shots: Training images a class.
        seed: Decides which.
        classes: The class names; the book's, else those with images, where not given.
        book: A book to start from.
        descriptions: Files of descriptions.

    Raises:
        InputError: One of them cannot be read, or they disagree about the classes.
    """
    given = GivenTexts()
    if is_proapo_folder(data):
        if classes:
            raise InputError(
                "The dataset folder lists its classes itself.", hint="Leave the classes out.", field="classes"
            )
        found, given = read_proapo_folder(data, images=images, shots=shots, seed=seed)
    else:
        named = classes or (book.classes if book else ())
        found = read_labelled(data, images=images, shots=shots, seed=seed, classes=named)
    if book is not None and book.classes != found.classes:
        raise InputError(
            "The prompt book lists other classes than the images, or in another order.",
            hint="Leave the classes out to take them from the book.",
            field="classes",
        )
    return found, given + read_texts(descriptions, found.classes)


def read_texts(paths: Sequence[Path], classes: Sequence[str]) -> GivenTexts:
    """Read several files of descriptions."""
    given = GivenTexts()
    for path in paths:
        given += read_descriptions(path, classes)
    return given
