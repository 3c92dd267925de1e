"""What a resolve run needs and a checkpoint never holds: tools, images, stores, options."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from fieldmark.agents.resolve.options import ResolveOptions, Rule
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.server import ServerAddress
from fieldmark.records import PromptBook
from fieldmark.tools.annotate.reworded import RewordedModel
from fieldmark.tools.clip.clip import EncodedImages, Encoder
from fieldmark.tools.datasets.class_tree import ClassTree
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import LanguageModel, concurrency_of
from fieldmark.tools.runs.events import ImagesEncoded, Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder

MOST_PAIRS = 25_000_000
"""The most image × class pairs that are weighed at once: about 100 MB for each of a dozen arrays."""
SHORTLIST = 64
"""The most classes that an image of a larger pool is scored for: its likeliest ones at the first look."""


@dataclass(kw_only=True)
class ResolveContext:
    """Tools and data of one run.

    Attributes:
        classes: The class names, in the order of the score columns.
        images: The images, labels (if any) untouched by the loop.
        encoder: The CLIP encoder.
        llm: The language model; None where nothing may be asked.
        vlm: The vision-language model that open images are shown to in the end; None for none.
        arrays: Where scores, candidates and notebooks are kept, by content hash.
        run: The run's folder.
        options: The choices of the loop.
        book: Prompts given by the user, if any.
        tree: The tree over the classes whose branches stand in for open images; None for none.
        labels: What people said of images: content hash → class number, `NONE_OF_THESE` or `CANNOT_TELL`; by
            the evidence rule it counts.
        calibration: Labelled images for conformal candidates, if any; they pass through the same loop.
        judges: Images, of the pool or of the calibration images, that judge a book's prompts and say nothing
            of their own class: content hash → class number.
        prior: How likely each class is beforehand: content hash → probabilities, in the order of the classes.
            By the evidence rule it counts.
        groups: Images that share a label: content hash → name of the group. By the evidence rule it counts.
        progress: Shows progress.
        memory: Bytes that what the images show of attributes may take; see `TableOptions`.
        checkpoints: A PostgreSQL server for the checkpoint; else it lies in the folder.
        slots: Lets as many questions pass at a time as the model takes; here, as LangGraph's own limit would
            hold checkpoint writes up.
    """

    classes: tuple[str, ...]
    images: tuple[ImageFile, ...]
    encoder: Encoder
    llm: LanguageModel | None
    arrays: ArrayStore
    run: RunFolder
    options: ResolveOptions = field(default_factory=ResolveOptions)
    vlm: LanguageModel | None = None
    book: PromptBook | None = None
    tree: ClassTree | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    calibration: tuple[ImageFile, ...] = ()
    judges: Mapping[str, int] = field(default_factory=dict)
    prior: Mapping[str, Sequence[float]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = no_progress
    memory: int = 1 << 30
    checkpoints: ServerAddress | None = None
    slots: asyncio.Semaphore = field(init=False, repr=False)
    endpoint_down: str = ""
    """Why the endpoint cannot be asked any more in this process; empty while it can."""
    endpoint_busy: str = ""
    """That the endpoint asked for a long pause, and until when; empty where it did not."""
    memo: dict[str, object] = field(default_factory=dict)
    """What was computed from stored arrays and would be computed again: read-through, never the only copy."""

    def __post_init__(self) -> None:
        if self.options.words is not None:
            words = self.options.words
            self.llm = RewordedModel(self.llm, words) if self.llm else None
            self.vlm = RewordedModel(self.vlm, words) if self.vlm else None
        self.slots = asyncio.Semaphore(concurrency_of(self.llm))

    @cached_property
    def _encoded(self) -> EncodedImages:
        def tell(done: int, of: int) -> None:
            self.progress(ImagesEncoded(done=done, of=of))

        return self.encoder.encode_images(self.images + self.calibration, progress=tell)

    @cached_property
    def large(self) -> bool:
        """Whether the pool has too many image × class pairs to weigh all of them."""
        return len(self.vectors) * len(self.classes) > MOST_PAIRS

    @cached_property
    def rule(self) -> Rule:
        """The rule that scores: the table rule where a pool is too large for the evidence."""
        return "table" if self.options.rule == "evidence" and self.large else self.options.rule

    @property
    def shortlists(self) -> bool:
        """Whether each image is scored for its likeliest classes alone; arrays are then `[N, K]`.

        FuDD's rule and conformal candidates are about all classes.
        """
        return self.large and self.rule != "fudd" and self.options.candidates != "conformal"

    @cached_property
    def usable(self) -> tuple[ImageFile, ...]:
        """The images that have a vector; the others are named by the encoder's failures."""
        return tuple(i for i, ok in zip(self.images, self._encoded.ok.tolist(), strict=False) if ok)

    @cached_property
    def labels_hash(self) -> str:
        """Hash of the labels; "" without any."""
        return self.arrays.put_json(dict(sorted(self.labels.items()))) if self.labels else ""

    @cached_property
    def usable_calibration(self) -> tuple[ImageFile, ...]:
        """The calibration images that have a vector."""
        ok = self._encoded.ok.tolist()[len(self.images) :]
        return tuple(i for i, fine in zip(self.calibration, ok, strict=True) if fine)

    @cached_property
    def vectors(self) -> Tensor:
        """Unit vectors `[N, D]` float32 of the usable images, then of the usable calibration images."""
        return self._encoded.vectors[self._encoded.ok]
