"""Counts what a method used: questions, tokens and texts, each distinct one once, cached or not."""

from collections.abc import Iterable, Sequence, Set
from typing import Any, Protocol, cast

import torch

from fieldmark.errors import ModelError
from fieldmark.evals.table.needs import Needs
from fieldmark.records import EncoderUsage, Record, SkippedInput
from fieldmark.tools.clip.encoder import EncodedImages, Encoder, Features, Progress
from fieldmark.tools.clip.last_layers import LastLayers
from fieldmark.tools.images.files import ImageFile


class Cost(Record):
    """What a method needs, whoever paid for it first.

    A cache makes the second of two methods that ask the same look free. So needs are counted apart from what
    was paid for in this run.
    """

    llm_requests: int = 0
    """Distinct questions whose answers it used."""
    llm_fresh: int = 0
    """Those of them that were asked now and not found in the cache."""
    prompt_tokens: int | None = 0
    """Tokens of these questions, as reported when they were asked; None where one was not reported."""
    completion_tokens: int | None = 0
    """Tokens of their answers; None where one was not reported."""
    llm_failed: int = 0
    """Questions that brought no usable answer."""
    texts: int = 0
    """Distinct texts it compared with images."""
    images: int = 0
    """Distinct images beyond the test images: labelled ones, of other classes too, and pools."""


def cost_of(needs: Needs, *, own: Set[str]) -> Cost:
    """What was used so far.

    Args:
        needs: What was noted.
        own: The test images, by content hash: they are everybody's, and are not counted.
    """
    counted = tuple(needs.answers.values())
    return Cost(
        llm_requests=len(counted),
        llm_fresh=sum(fresh for fresh, _, _ in counted),
        prompt_tokens=_sum(prompt for _, prompt, _ in counted),
        completion_tokens=_sum(completion for _, _, completion in counted),
        llm_failed=len(needs.failed),
        texts=len(needs.texts),
        images=len(needs.images - own),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    """The sum, unknown where a part is."""
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)


class TowerEncoder(Encoder, Protocol):
    """An encoder that lets one see its last layers; `ClipEncoder` does."""

    @property
    def last_layers(self) -> LastLayers:
        """The image tower's last layers."""
        ...

    def encode_features(self, images: Sequence[ImageFile], *, progress: Progress | None = None) -> Features:
        """What they are given, for N images."""
        ...


def tower_encoder(encoder: Encoder) -> TowerEncoder:
    """The encoder as one whose last layers can be seen.

    Raises:
        ModelError: It does not show them.
    """
    # Asking the class, as asking the encoder would build its network.
    if not hasattr(type(encoder), "encode_features"):
        raise ModelError(
            f"{encoder.name} does not show its last layers.",
            hint="Adapt its vectors with a linear map instead.",
        )
    return cast("TowerEncoder", encoder)


class CountedEncoder:
    """An encoder that remembers which texts and images went through it; everything else is the encoder's."""

    # Named for the type checker alone: `__getattr__` finds them in the encoder.
    name: str
    identity: str
    width: int
    context_length: int
    logit_scale: float
    random_weights: bool
    reference: torch.Tensor | None
    usage: EncoderUsage
    failures: tuple[SkippedInput, ...]

    def __init__(self, inner: Encoder, needs: Needs) -> None:
        self._inner = inner
        self._needs = needs
        self.texts: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        """Whatever is not about counting."""
        return getattr(self._inner, name)

    def encode_images(
        self, images: Sequence[ImageFile], *, progress: Progress | None = None
    ) -> EncodedImages:
        """See `Encoder`."""
        self._needs.encoded(images=(image.content_hash for image in images))
        return self._inner.encode_images(images, progress=progress)

    @property
    def last_layers(self) -> LastLayers:
        """See `TowerEncoder`.

        Raises:
            ModelError: The encoder does not show them.
        """
        return tower_encoder(self._inner).last_layers

    def encode_features(self, images: Sequence[ImageFile], *, progress: Progress | None = None) -> Features:
        """See `TowerEncoder`.

        Raises:
            ModelError: The encoder does not show its last layers.
        """
        tower = tower_encoder(self._inner)
        self._needs.encoded(images=(image.content_hash for image in images))
        return tower.encode_features(images, progress=progress)

    def encode_texts(self, texts: Sequence[str], *, progress: Progress | None = None) -> torch.Tensor:
        """See `Encoder`."""
        self.texts.update(texts)
        self._needs.encoded(texts=texts)
        return self._inner.encode_texts(texts, progress=progress)
