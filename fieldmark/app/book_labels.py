"""The labelled images of a prompt book, for the run that classifies with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.records import PromptBook
from fieldmark.tools.images.given_paths import is_there
from fieldmark.tools.images.image_file import ImageFile


@dataclass(frozen=True)
class BookLabels:
    """What a book's labelled images are to a run.

    Attributes:
        pool: Those that the run classifies: content hash → class number. They count as labels given to it.
        beside: The others that still lie where they lay. They pass through the loop with the pool and are not
            reported.
        gone: How many are neither.
    """

    pool: Mapping[str, int] = field(default_factory=dict)
    beside: tuple[ImageFile, ...] = ()
    gone: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many are used; empty without any."""
        used = len(self.pool) + len(self.beside)
        return {"book_labels": used} if used else {}

    @property
    def note(self) -> str:
        """What to say of those that are gone; empty where none is."""
        if not self.gone:
            return ""
        used = len(self.pool) + len(self.beside)
        rest = "the others are used" if used else "it is used without them"
        return f"{self.gone:,} of the prompt book's {used + self.gone:,} labelled images are gone; {rest}."


def book_labels(book: PromptBook | None, images: Sequence[ImageFile], options: ResolveOptions) -> BookLabels:
    """Find a book's labelled images; none where the rule has no use for labels.

    Args:
        book: The book; None for none.
        images: The images to classify.
        options: The choices of the loop, as it starts.
    """
    if book is None or options.start != "book" or options.rule != "evidence":
        return BookLabels()
    here = {image.content_hash for image in images}
    numbers = {name: number for number, name in enumerate(book.classes)}
    labels = {each.image_hash: each for each in book.labelled if each.label is not None}
    pool = {digest: numbers[str(each.label)] for digest, each in labels.items() if digest in here}
    apart = [
        ImageFile(Path(each.image), digest, each.label)
        for digest, each in labels.items()
        if digest not in here
    ]
    beside = tuple(image for image in apart if is_there(image.path))
    return BookLabels(pool, beside, len(apart) - len(beside))
