"""Encodes the images that a user gives to a stored classifier, and says which could not be read."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from fieldmark.app.inputs import Images, find_given, names_of
from fieldmark.records import SkippedInput
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.runs.events import ImagesEncoded, Progress


@dataclass(frozen=True)
class GivenVectors:
    """Vectors of the images that could be read.

    Attributes:
        images: These images.
        vectors: Their unit vectors [N, D] float32.
        skipped: What could not be read, with the reason.
        passed_over: Files in folders whose suffix is no image's, by suffix.
        inputs: Names of the images given, in order.
    """

    images: tuple[ImageFile, ...]
    vectors: Tensor
    skipped: tuple[SkippedInput, ...]
    passed_over: dict[str, int]
    inputs: tuple[str, ...]


def encode_given(images: Images, encoder: Encoder, progress: Progress) -> GivenVectors:
    """Find and encode what was given.

    Raises:
        NoImagesError: Not one is usable.
    """
    found = find_given(images)
    usable, vectors, broken = encode_files(found.images, encoder, progress)
    return GivenVectors(
        images=usable,
        vectors=vectors,
        skipped=(*found.skipped, *broken),
        passed_over=dict(found.passed_over),
        inputs=names_of(found),
    )


def encode_files(
    images: Sequence[ImageFile], encoder: Encoder, progress: Progress
) -> tuple[tuple[ImageFile, ...], Tensor, tuple[SkippedInput, ...]]:
    """The images that can be read, their unit vectors [N, D] float32, and the others with the reason."""

    def tell(done: int, of: int) -> None:
        progress(ImagesEncoded(done=done, of=of))

    encoded = encoder.encode_images(images, progress=tell)
    fine = encoded.ok.tolist()
    broken = {str(image.path) for image, ok in zip(images, fine, strict=True) if not ok}
    return (
        tuple(image for image, ok in zip(images, fine, strict=True) if ok),
        encoded.vectors[encoded.ok],
        tuple(each for each in encoder.failures if str(each.path) in broken),
    )
