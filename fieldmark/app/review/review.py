"""A finished classification as people look through it: its images by label, status and doubt."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from fieldmark.app.review.image_rows import ConfusedPair, ImageRow, ImageRows
from fieldmark.app.review.listing import classes_of, scored_with_others, takes_labels, unlabelled
from fieldmark.errors import InputError, RunError
from fieldmark.evals.report.confusion import PairMatrix
from fieldmark.records import GivenLabel, ImageToLabel, Prediction, Record, RunManifest
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.in_memory import COPIES
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import last_words, read_ask, read_said
from fieldmark.tools.runs.run import manifest_of_stop

PAGE = 60
"""Images on a page."""
NONE, UNSURE = "none of these", "cannot tell"
"""The two answers that are no class."""


class Selection(Record):
    """Which of a run's images, and in which order."""

    label: str = Field(default="", max_length=2000)
    """What counts of an image now: a class, or an answer that is none; empty for any."""
    against: str = Field(default="", max_length=2000)
    """Only images between the label and this class: one is the loop's label, the other its runner-up."""
    way: Literal["either", "this"] = "either"
    """Whether the runner-up may be either of the two, or must be `against`."""
    status: Literal["", "resolved", "open", "rejected"] = ""
    within: Literal["", "asked", "labelled"] = ""
    """Only those that the run asks about, or that people labelled."""
    order: Literal["doubt", "sure", "name"] = "doubt"
    """The least certain first, the most certain first, or by name; asked ones stay as the run asks."""
    page: int = Field(default=1, ge=1, le=10**7)


@dataclass(frozen=True)
class SelectedPage:
    """One page of a selection.

    Attributes:
        images: Its images.
        total: How many the whole selection has.
        page: Its number, from 1; the last where a later one was asked for.
        pages: How many there are; 1 where there is no image.
    """

    images: Sequence[ImageRow]
    total: int
    page: int
    pages: int


@dataclass(frozen=True)
class RunReview:
    """A run with predictions, and what people said of its images.

    Attributes:
        run: Its folder.
        classes: The classes that it tells apart.
        manifest: What was run, and why it stopped.
        images: Its images in short.
        said: All that was ever said, in order.
        asked: Images whose labels would help most, most helpful first.
        usable: Whether the run's rule can use labels.
    """

    run: RunFolder
    classes: tuple[str, ...]
    manifest: RunManifest
    images: ImageRows
    said: tuple[GivenLabel, ...]
    asked: tuple[ImageToLabel, ...]
    usable: bool

    @classmethod
    def open(cls, run: RunFolder, images: ImageRows | None = None) -> Self:
        """Read a run from its folder.

        Args:
            run: The folder.
            images: Its images, where they were read before.

        Raises:
            RunError: It has not ended, or a file of it is damaged.
        """
        manifest = manifest_of_stop(run)
        if manifest is None:
            raise RunError(f"Run {run.run_id} has not ended.", hint="Go on with it first.")
        config = run.config
        classes = classes_of(config)
        return cls(
            run=run,
            classes=classes,
            manifest=manifest,
            images=ImageRows.read(run) if images is None else images,
            said=tuple(read_said(run, classes)),
            asked=tuple(read_ask(run)),
            usable=takes_labels(config),
        )

    @property
    def predictions(self) -> tuple[ImageRow, ...]:
        """What the run says of each image, in short."""
        return self.images.rows

    @property
    def by_hash(self) -> Mapping[str, ImageRow]:
        """Images by the hash of their content."""
        return self.images.by_hash

    @cached_property
    def given(self) -> Mapping[str, GivenLabel]:
        """What counts of what was said, by content hash."""
        return {each.image_hash: each for each in last_words(self.said)}

    @property
    def last_given(self) -> GivenLabel | None:
        """What was said last of all, unless it was taken back."""
        last = self.said[-1] if self.said else None
        return last if last is not None and last.image_hash in self.given else None

    def said_of(self, image_hash: str) -> list[str]:
        """All that was ever said of an image, in order."""
        return [each.label or each.answer for each in self.said if each.image_hash == image_hash]

    @property
    def stale(self) -> bool:
        """Whether labels were given since it was scored, and it could use them."""
        return self.usable and scored_with_others(self.manifest, list(self.given.values()))

    @property
    def waiting(self) -> list[ImageToLabel]:
        """Images that it asks about and nobody said anything of yet."""
        return unlabelled(list(self.asked), set(self.given))

    def row(self, image_hash: str) -> ImageRow:
        """An image in short.

        Raises:
            InputError: It is none of its images.
        """
        if (found := self.by_hash.get(image_hash)) is None:
            raise InputError("The run has no such image.", hint="Go back to its images.")
        return found

    def prediction(self, image_hash: str) -> Prediction:
        """All that the run says of an image.

        Raises:
            InputError: It is none of its images.
            RunError: The run was written anew meanwhile.
        """
        return self.images.whole(self.row(image_hash))

    def answer(self, p: ImageRow | Prediction) -> str:
        """What counts of an image now: a person's word, else the run's label; rejected ones show none."""
        said = self.given.get(p.image_hash)
        if said is not None:
            return said.label if said.label is not None else said.answer
        return NONE if p.decision is None else p.decision

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many images each answer counts for: the classes in their order, then other answers."""
        found = Counter({NONE if name is None else name: n for name, n in self.images.decisions.items()})
        for image_hash in self.given:
            if (row := self.by_hash.get(image_hash)) is not None:
                found[NONE if row.decision is None else row.decision] -= 1
                found[self.answer(row)] += 1
        return {name: found[name] for name in dict.fromkeys((*self.classes, NONE, UNSURE)) if found[name]}

    @property
    def statuses(self) -> Mapping[str, int]:
        """How many images have each status."""
        return self.images.statuses

    @property
    def pairs(self) -> tuple[ConfusedPair, ...]:
        """The pairs of classes that most open images lie between."""
        return self.images.pairs

    @property
    def matrix(self) -> PairMatrix | None:
        """The classes that open images lie between, each against each; None where no image does."""
        return self.images.matrix

    def select(self, selection: Selection) -> Sequence[ImageRow]:
        """All images of a selection, in its order."""
        if selection.within == "asked":
            here = [self.by_hash[each.image_hash] for each in self.asked if each.image_hash in self.by_hash]
            return [row for row in here if self._fits(row, selection)]
        if selection.within == "labelled":
            here = [self.by_hash[each] for each in self.given if each in self.by_hash]
            key = attrgetter("image")
            return sorted((row for row in here if self._fits(row, selection)), key=key)
        every = self._in_order(selection.order)
        plain = not (selection.status or selection.label or selection.against)
        return every if plain else [row for row in every if self._fits(row, selection)]

    def _in_order(self, order: Literal["doubt", "sure", "name"]) -> Sequence[ImageRow]:
        """All images; those that people labelled are the surest."""
        if order == "name":
            return self.images.by_name
        every = self.images.by_doubt if order == "doubt" else self.images.by_certainty
        if not self.given:
            return every
        labelled = [row for row in every if row.image_hash in self.given]
        others = [row for row in every if row.image_hash not in self.given]
        return [*others, *labelled] if order == "doubt" else [*labelled, *others]

    def page(self, selection: Selection) -> SelectedPage:
        """One page of a selection."""
        found = self.select(selection)
        pages = max(1, -(-len(found) // PAGE))
        number = min(selection.page, pages)
        return SelectedPage(found[(number - 1) * PAGE : number * PAGE], len(found), number, pages)

    def neighbours(self, image_hash: str, selection: Selection) -> tuple[str | None, str | None, int, int]:
        """The images before and behind one in a selection, its place from 1, and how many there are.

        An image that is not, or no longer, in it has place 0, and the first image behind it.
        """
        hashes = [p.image_hash for p in self.select(selection)]
        if image_hash not in hashes:
            return None, hashes[0] if hashes else None, 0, len(hashes)
        at = hashes.index(image_hash)
        before = hashes[at - 1] if at else None
        behind = hashes[at + 1] if at + 1 < len(hashes) else None
        return before, behind, at + 1, len(hashes)

    def next_to_label(self, image_hash: str) -> str | None:
        """The next image that the run asks about and nobody labelled, after this one, then from the start."""
        hashes = [each.image_hash for each in self.asked]
        at = hashes.index(image_hash) + 1 if image_hash in hashes else 0
        return next(
            (
                each
                for each in (*hashes[at:], *hashes[:at])
                if each not in self.given and each in self.by_hash
            ),
            None,
        )

    def file_of(self, p: ImageRow | Prediction) -> ImageFile | Path:
        """Where an image lies: its file, or the small copy of one that was given in memory."""
        copy = self.run.path / COPIES / f"{p.image_hash}.png"
        if copy.is_file():
            return copy
        return ImageFile(self._folder / p.image, p.image_hash)

    @cached_property
    def _folder(self) -> Path:
        """Where relative paths of images begin."""
        return Path(str(self.run.config.options.get("folder", ".")))

    def _fits(self, p: ImageRow, selection: Selection) -> bool:
        if selection.status and p.status != selection.status:
            return False
        if selection.against and selection.way == "either":
            return {p.label, p.runner_up} == {selection.label, selection.against}
        if selection.against:
            return (p.label, p.runner_up) == (selection.label, selection.against)
        return not selection.label or self.answer(p) == selection.label
