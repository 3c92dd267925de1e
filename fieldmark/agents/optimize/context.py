"""What a prompt search needs and a checkpoint never holds: tools, images, stores, options."""

import asyncio
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from fieldmark.agents.optimize.options import OptimizeOptions
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.background_writer import BackgroundWriter
from fieldmark.cache.server import ServerAddress
from fieldmark.errors import NoImagesError
from fieldmark.records import PromptBook
from fieldmark.tools.books.descriptions import GivenTexts
from fieldmark.tools.clip.encoder import EncodedImages, Encoder
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import LanguageModel, concurrency_of
from fieldmark.tools.runs.events import Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.search.operators import OPERATORS, Operator


@dataclass(kw_only=True)
class OptimizeContext:
    """Tools and data of one prompt search.

    Attributes:
        classes: The class names, in the order of the score columns.
        train: Labelled images that the search selects by.
        test: Labelled images that are looked at once, after the search has ended; may be empty.
        encoder: The CLIP encoder.
        llm: The language model; None where nothing may be asked.
        arrays: Where pools, books and survivors are kept, by content hash.
        run: The run's folder.
        options: The choices of the search.
        book: A prompt book to start from, if any.
        given: Descriptions and other words for the classes that need not be asked for.
        operators: What a generation tries.
        progress: Shows progress.
        checkpoints: A PostgreSQL server for the checkpoint; else it lies in the folder.
        endpoint_down: Why the endpoint cannot be asked any more; empty while it can.
        endpoint_busy: That it asked for a long pause, and until when; empty where it did not.
        memo: What was computed from stored values and would be computed again.
        clock: Seconds by what they were spent on.
        slots: Lets as many questions pass at a time as the model takes.
        later: Writes what a generation leaves while the next one is under way.
    """

    classes: tuple[str, ...]
    train: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...]
    encoder: Encoder
    llm: LanguageModel | None
    arrays: ArrayStore
    run: RunFolder
    options: OptimizeOptions = field(default_factory=OptimizeOptions)
    book: PromptBook | None = None
    given: GivenTexts = field(default_factory=GivenTexts)
    operators: tuple[Operator, ...] = OPERATORS
    progress: Progress = no_progress
    checkpoints: ServerAddress | None = None
    endpoint_down: str = ""
    endpoint_busy: str = ""
    memo: dict[str, object] = field(default_factory=dict)
    clock: dict[str, float] = field(default_factory=dict)
    slots: asyncio.Semaphore = field(init=False, repr=False)
    later: BackgroundWriter = field(default_factory=BackgroundWriter, repr=False)

    def __post_init__(self) -> None:
        self.slots = asyncio.Semaphore(concurrency_of(self.llm))

    @cached_property
    def _train(self) -> EncodedImages:
        encoded = self.encoder.encode_images(self.train)
        if not bool(encoded.ok.any()):
            raise NoImagesError(
                "No training image could be encoded.",
                hint="The run's manifest names each file with the reason.",
            )
        return encoded

    @property
    def vectors(self) -> Tensor:
        """Unit vectors `[N, D]` float64 of the usable training images."""
        return self._train.vectors[self._train.ok].to(torch.float64)

    @property
    def labels(self) -> Tensor:
        """Class of each usable training image `[N]` int64."""
        return self.label_indices(self.train)[self._train.ok]

    @property
    def usable(self) -> tuple[ImageFile, ...]:
        """The training images behind the rows of `vectors`."""
        return tuple(image for image, fine in zip(self.train, self._train.ok.tolist(), strict=True) if fine)

    def with_options(self, options: OptimizeOptions) -> Self:
        """The same run with other choices; what was computed is shared."""
        other = replace(self, options=options)
        other._train = self._train
        return other

    def among(self, kept: Tensor, options: OptimizeOptions) -> Self:
        """The same run as if it had some of its usable training images alone, and no test images.

        Args:
            kept: Bool `[N]`: which of the rows of `vectors` are left.
            options: Its choices.
        """
        ok = self._train.ok.clone()
        ok[self._train.ok] = kept
        other = replace(self, test=(), options=options, memo={})
        other._train = EncodedImages(self._train.vectors, ok)
        return other

    def label_indices(self, images: tuple[ImageFile, ...]) -> Tensor:
        """Class of each image `[N]` int64."""
        index = {name: place for place, name in enumerate(self.classes)}
        return torch.tensor([index[str(image.label)] for image in images], dtype=torch.int64)
