"""Encodes texts and images by their words: no weights, no network, the same vectors on every machine."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch

from fieldmark.cache.keys import content_key, digest
from fieldmark.errors import NoImagesError
from fieldmark.records import EncoderUsage, SkippedInput
from fieldmark.tools.clip.encoder import EncodedImages, Progress
from fieldmark.tools.images.decode import UnusableImageError
from fieldmark.tools.images.files import ImageFile, decode_image


def file_words(image: ImageFile) -> str:
    """The words of an image's file name: "red finch" for `red_finch_01.png`."""
    return " ".join(re.findall(r"[^\W\d_]+", image.path.stem))


class HashingEncoder:
    """An `Encoder` for tests: a word is a fixed direction, and a text is the sum of its words.

    An image stands for the words that it shows, and for a direction of its own, so that no two images are
    alike. Similarity is therefore the share of words in common; nothing is known of what words mean.

    Args:
        shows: Says in words what an image shows; the words of its file name where not given.
        width: D, the length of a vector.
        noise: Length of what is peculiar to each image, against 1 for each word.
        logit_scale: What cosines are multiplied with.
        name: What the encoder is called.

    Attributes:
        images_seen: Content hashes of the images so far.
        texts_seen: The texts so far.
    """

    context_length = 77
    random_weights = False
    reference: torch.Tensor | None = None

    def __init__(
        self,
        shows: Callable[[ImageFile], str] = file_words,
        *,
        width: int = 64,
        noise: float = 0.3,
        logit_scale: float = 20.0,
        name: str = "hashing",
    ) -> None:
        self.name = name
        self.width = width
        self.logit_scale = logit_scale
        self.images_seen: set[str] = set()
        self.texts_seen: set[str] = set()
        self.noise = noise
        self._shows = shows
        self._failures: dict[str, SkippedInput] = {}

    @property
    def identity(self) -> str:
        """SHA-256 over what determines a vector, but for `shows`."""
        return content_key({"hashing": 1, "name": self.name, "width": self.width, "noise": self.noise})

    @property
    def usage(self) -> EncoderUsage:
        """How many distinct images and texts were asked for."""
        return EncoderUsage(
            images_encoded=len(self.images_seen),
            texts_encoded=len(self.texts_seen),
            distinct_images=len(self.images_seen),
            distinct_texts=len(self.texts_seen),
        )

    @property
    def failures(self) -> tuple[SkippedInput, ...]:
        """Images that could not be read, with the reason."""
        return tuple(self._failures.values())

    def encode_images(
        self, images: Sequence[ImageFile], *, progress: Progress | None = None
    ) -> EncodedImages:
        """See `Encoder`. Every image is decoded, so that one that cannot be read fails as elsewhere.

        Args:
            images: N images that were found.
            progress: Called with how many are done.

        Returns:
            float32 `[N, D]` unit vectors, and which of them are there.

        Raises:
            NoImagesError: Not one of the images could be read.
        """
        vectors, ok = torch.zeros(len(images), self.width), torch.zeros(len(images), dtype=torch.bool)
        for row, image in enumerate(images):
            if reason := self.unreadable(image):
                self._failures[str(image.path)] = SkippedInput(path=str(image.path), reason=reason)
            else:
                vectors[row], ok[row] = _unit(self.image_vector(image)), True
                self.images_seen.add(image.content_hash)
            if progress is not None:
                progress(row + 1, len(images))
        if len(images) and not ok.any():
            raise NoImagesError(f"Not one of {len(images)} images could be read.", hint="Check the files.")
        return EncodedImages(vectors, ok)

    def encode_texts(self, texts: Sequence[str], *, progress: Progress | None = None) -> torch.Tensor:
        """See `Encoder`.

        Args:
            texts: M texts.
            progress: Called once, when all are done.

        Returns:
            float32 `[M, D]` unit vectors.
        """
        self.texts_seen.update(texts)
        vectors = torch.zeros(len(texts), self.width)
        for row, text in enumerate(texts):
            vectors[row] = _unit(self.text_vector(text))
        if progress is not None:
            progress(len(texts), len(texts))
        return vectors

    def unreadable(self, image: ImageFile) -> str:
        """Why an image cannot be read; empty where it can."""
        try:
            decode_image(image)
        except UnusableImageError as error:
            return error.reason
        return ""

    def image_vector(self, image: ImageFile) -> torch.Tensor:
        """What an image stands for, `[D]`, of any length."""
        return self.text_vector(self._shows(image)) + self.noise * self.direction(image.content_hash)

    def text_vector(self, text: str) -> torch.Tensor:
        """What a text stands for, `[D]`, of any length: the sum of its words, and a small part of its own."""
        vector = 0.05 * self.direction(text)
        for word in re.findall(r"\w+", text.casefold()):
            vector = vector + self.direction(word)
        return vector

    def direction(self, name: str) -> torch.Tensor:
        """A unit vector that belongs to a name, float32 `[D]`."""
        return _direction(name, self.width).clone()


@lru_cache(maxsize=100_000)
def _direction(name: str, width: int) -> torch.Tensor:
    seed = int(digest(name.encode("utf-8", "backslashreplace"))[:12], 16)
    return _unit(torch.randn(width, generator=torch.Generator().manual_seed(seed)))


def _unit(vector: torch.Tensor) -> torch.Tensor:
    return vector / vector.norm().clamp_min(1e-12)
