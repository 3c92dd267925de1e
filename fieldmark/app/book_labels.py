"""The labelled images of a prompt book, for the run that classifies with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.records import PromptBook
from fieldmark.tools.images.given_paths import is_there
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.scoring.evidence.judges import FEWEST_JUDGES


@dataclass(frozen=True)
class BookLabels:
    """What a book's labelled images are to a run.

    Attributes:
        pool: Those that the run classifies: content hash → class number. They count as labels given to it.
        judges: Those that had no part in choosing the prompts, in the pool or not: content hash → class
            number.
        beside: Those that are not in the pool and still lie where they lay. They pass through the loop with
            it and are not reported.
        gone: How many are neither.
        too_few: How many could judge, where they are too few to.
    """

    pool: Mapping[str, int] = field(default_factory=dict)
    judges: Mapping[str, int] = field(default_factory=dict)
    beside: tuple[ImageFile, ...] = ()
    gone: int = 0
    too_few: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many are labels of the run; empty without any. How many judge shows in what names are worth."""
        used = len(self.pool) + sum(image.content_hash not in self.judges for image in self.beside)
        return {"book_labels": used} if used else {}

    @property
    def note(self) -> str:
        """What to say of those that are gone or too few; empty where none is."""
        used = sum(self.counts.values()) + len(self.judges)
        said: list[str] = []
        if self.gone:
            rest = "the others are used" if used else "it is used without them"
            of = used + self.gone + self.too_few
            said.append(f"{self.gone:,} of the prompt book's {of:,} labelled images are gone; {rest}.")
        if self.too_few:
            said.append(
                f"{self.too_few:,} images that had no part in choosing the book are too few to judge it; "
                f"{FEWEST_JUDGES} are enough."
            )
        return " ".join(said)


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
    chose = {each.image_hash: each for each in book.labelled if each.label is not None}
    held = {
        each.image_hash: each
        for each in book.held_out
        if each.label is not None and each.image_hash not in chose
    }
    places = {digest: Path(each.image) for digest, each in held.items()}
    there = {digest for digest, path in places.items() if digest in here or is_there(path)}
    too_few = len(there) if len(there) < FEWEST_JUDGES else 0
    if too_few:
        held = {digest: each for digest, each in held.items() if digest not in there}
    beside = tuple(
        ImageFile(Path(each.image), digest, each.label)
        for digest, each in (chose | held).items()
        if digest not in here and is_there(Path(each.image))
    )
    found = here | {image.content_hash for image in beside}
    return BookLabels(
        pool={digest: numbers[str(each.label)] for digest, each in chose.items() if digest in here},
        judges={digest: numbers[str(each.label)] for digest, each in held.items() if digest in found},
        beside=beside,
        gone=sum(digest not in found for digest in chose | held),
        too_few=too_few,
    )
