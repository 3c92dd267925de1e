"""Decodes image files in threads, ahead of the network that takes them."""

from collections.abc import Callable, Generator, Iterator, Sequence

import torch
from PIL import Image

from fieldmark.records import SkippedInput
from fieldmark.tools.clip.batches import prepared_ahead
from fieldmark.tools.clip.encoder import image_key
from fieldmark.tools.images.decode import LARGEST_DECODED, UnusableImageError
from fieldmark.tools.images.files import ImageFile, decode_image

Decoded = tuple[str, torch.Tensor | None, list[SkippedInput]]


def decoded_ahead(
    groups: Sequence[Sequence[ImageFile]],
    to_input: Callable[[Image.Image], torch.Tensor],
    *,
    workers: int,
    ahead: Callable[[], int],
    failed: Callable[[SkippedInput], None],
) -> Iterator[tuple[str, torch.Tensor]]:
    """Decode files in threads; it begins at once, a bounded number ahead of the consumer.

    Args:
        groups: Files of the same content stand in for each other.
        to_input: Makes the network's input of a picture.
        workers: Number of threads.
        ahead: How many inputs may wait.
        failed: Called, in the consumer's thread, with each file that cannot be used.

    Returns:
        The key and the input of each group of which a file can be used, in order.
    """

    def prepare(files: Sequence[ImageFile]) -> Decoded:
        lost: list[SkippedInput] = []
        for file in files:
            try:
                picture = decode_image(file, max_pixels=LARGEST_DECODED)
                return image_key(file.content_hash), to_input(picture), []
            except UnusableImageError as error:
                lost.append(SkippedInput(path=str(file.path), reason=error.reason))
        return "", None, lost

    return _usable(prepared_ahead(groups, prepare, workers=workers, ahead=ahead), failed)


def _usable(
    decoded: Generator[Decoded], failed: Callable[[SkippedInput], None]
) -> Iterator[tuple[str, torch.Tensor]]:
    for key, made, lost in decoded:
        for each in lost:
            failed(each)
        if made is not None:
            yield key, made


def by_content(images: Sequence[ImageFile]) -> dict[str, list[ImageFile]]:
    """Files by their content hash, in the order in which each first comes."""
    files: dict[str, list[ImageFile]] = {}
    for image in images:
        files.setdefault(image.content_hash, []).append(image)
    return files
