"""What a method is given: the test images without their labels, the tools, and what the data set offers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import NoImagesError
from fieldmark.evals.table.counting import Cost, CountedEncoder, cost_of
from fieldmark.evals.table.needs import NEEDS, Needs, NotingModel
from fieldmark.evals.table.test_set import ImageFactor, TestSet
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import LanguageModel, concurrency_of
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.runs.events import ImagesEncoded, Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder


@dataclass(frozen=True)
class NounChoice:
    """The one choice that asking needs: the generic word for all classes."""

    noun: str


@dataclass(kw_only=True)
class EvalBench:
    """Tools and data for one method.

    Attributes:
        test: The test set. Methods go by the properties below, which hold no label of a test image.
        encoder: The CLIP encoder, counted.
        llm: The language model, counted; None where nothing may be asked.
        vlm: The vision-language model, counted; None where nothing may be shown to one.
        arrays: Where graphs keep their arrays.
        run: A folder for this method alone, where graphs keep their checkpoint.
        needs: What was used so far, kept in that folder.
        seed: Decides whatever a method draws.
        progress: Shows progress.
        slots: Lets as many questions pass at a time as the model takes.
        endpoint_down: Why the endpoint cannot be asked any more; empty while it can.
        endpoint_busy: That it asked for a long pause, and until when; empty where it did not.
        notes: What a reader must know of how the method went; a method may add to it.
    """

    test: TestSet
    encoder: CountedEncoder
    llm: CountingModel | None
    vlm: CountingModel | None = None
    arrays: ArrayStore
    run: RunFolder
    needs: Needs
    seed: int = 0
    progress: Progress = no_progress
    slots: asyncio.Semaphore = field(init=False, repr=False)
    endpoint_down: str = ""
    endpoint_busy: str = ""
    notes: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.slots = asyncio.Semaphore(concurrency_of(self.llm))

    @classmethod
    def of(
        cls,
        test: TestSet,
        *,
        encoder: Encoder,
        llm: LanguageModel | None,
        vlm: LanguageModel | None = None,
        run: RunFolder,
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> "EvalBench":
        """A bench that goes on counting where an earlier process on this folder left off."""
        needs = Needs(run.path / NEEDS)
        return cls(
            test=test,
            encoder=CountedEncoder(encoder, needs),
            llm=None if llm is None else CountingModel(NotingModel(llm, needs)),
            vlm=None if vlm is None else CountingModel(NotingModel(vlm, needs)),
            needs=needs,
            arrays=ArrayStore(run.path / "arrays"),
            run=run,
            seed=seed,
            progress=progress,
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the score columns."""
        return self.test.classes

    @property
    def options(self) -> NounChoice:
        """See `AskingContext`."""
        return NounChoice(self.test.noun)

    @property
    def noun(self) -> str:
        """The generic word for all classes."""
        return self.test.noun

    @property
    def factors(self) -> tuple[ImageFactor, ...]:
        """Contexts that a user of this domain would name."""
        return self.test.factors

    @property
    def parents(self) -> Mapping[str, str]:
        """Child → parent."""
        return self.test.parents

    @property
    def logit_scale(self) -> float:
        """What the encoder multiplies cosines with."""
        return float(self.encoder.logit_scale)

    @cached_property
    def images(self) -> tuple[ImageFile, ...]:
        """The N test images, without their labels."""
        return tuple(replace(image, label=None) for image in self.test.images)

    @cached_property
    def vectors(self) -> Tensor:
        """Unit vectors of the test images `[N, D]` float32."""
        return self.vectors_of(self.images, "test")

    @cached_property
    def train_vectors(self) -> Tensor:
        """Unit vectors of the labelled images `[S, D]` float32."""
        return self.vectors_of(self.test.train, "training")

    @cached_property
    def train_labels(self) -> Tensor:
        """Class of each labelled image `[S]` int64."""
        return torch.from_numpy(self.test.train_labels)

    @cached_property
    def pool_vectors(self) -> Tensor:
        """Unit vectors of the unlabelled images `[P, D]` float32."""
        return self.vectors_of(tuple(replace(image, label=None) for image in self.test.pool), "unlabelled")

    @property
    def captions(self) -> tuple[str, ...]:
        """A caption for each image of the pool."""
        return self.test.captions

    @property
    def base_classes(self) -> tuple[str, ...]:
        """Names of the B base classes, none of which is measured."""
        return self.test.base_classes

    @cached_property
    def base_labels(self) -> Tensor:
        """Base class of each such image `[L]` int64, its place in `base_classes`."""
        return torch.from_numpy(self.test.base_labels)

    def features(self, images: Sequence[ImageFile]) -> Tensor:
        """What the image tower's last layers are given `[N, *encoder.last_layers.shape]` float16.

        Raises:
            ModelError: The encoder does not show its last layers.
            NoImagesError: An image cannot be encoded any more.
        """
        seen = self.encoder.encode_features(images, progress=self._progress)
        return self._whole(seen.rows, seen.ok, "given")

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Unit text vectors `[M, D]` float32."""
        return self.encoder.encode_texts(texts)

    def vectors_of(self, images: Sequence[ImageFile], what: str = "given") -> Tensor:
        """Unit vectors of images `[N, D]` float32.

        Raises:
            NoImagesError: One cannot be encoded any more.
        """
        encoded = self.encoder.encode_images(images, progress=self._progress)
        return self._whole(encoded.vectors, encoded.ok, what)

    def _whole(self, rows: Tensor, ok: Tensor, what: str) -> Tensor:
        if not bool(ok.all()):
            raise NoImagesError(
                f"{int((~ok).sum())} of {len(ok)} {what} images could not be encoded.",
                hint="A new run leaves such images out before it begins: start one.",
            )
        return rows

    def _progress(self, done: int, of: int) -> None:
        self.progress(ImagesEncoded(done=done, of=of))

    @property
    def cost(self) -> Cost:
        """What was used so far. Test images are everybody's, and are not counted."""
        return cost_of(self.needs, own={image.content_hash for image in self.test.images})
