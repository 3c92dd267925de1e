"""Turns image files into data URLs that a vision-language model can be sent, small and always the same."""

import asyncio
import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from fieldmark.errors import InputError
from fieldmark.records import ImagePart
from fieldmark.tools.images.decode import decode_bytes, open_header
from fieldmark.tools.images.files import ImageFile, read_unchanged

LONGEST_SIDE = 512
"""The longest side of an image that is sent, in pixels, by default."""
QUALITY = 90
CONCURRENCY = 2
"""Images decoded at a time: one of 50 megapixels takes half a gigabyte for a moment."""
_KINDS = {"JPEG": "image/jpeg", "PNG": "image/png"}
_PLAIN_MODES = frozenset({"RGB", "L"})


@dataclass(frozen=True)
class SentImage:
    """An image as it is sent.

    Attributes:
        media_type: "image/jpeg" or "image/png".
        data: The bytes of the picture.
    """

    media_type: str
    data: bytes

    @property
    def part(self) -> ImagePart:
        """The image inside a message."""
        return ImagePart(data_url=f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}")


def image_to_send(image: ImageFile, *, longest: int = LONGEST_SIDE) -> SentImage:
    """Make an image ready to be sent.

    A JPEG or PNG that is small enough goes as its own bytes, so that the receiver can recognise it
    by its hash; but none that is turned, animated or see-through, as a model would not see what the encoder
    sees, and none with EXIF data, which may say where it was taken. All others are decoded (first frame,
    upright, on white), made smaller where they are too large, never larger, and written as JPEG.

    Args:
        image: A file that was found; its content must be unchanged.
        longest: The longest side that is sent, in pixels.

    Raises:
        UnusableImageError: It vanished, changed, is too large, broken, or no picture.
        InputError: A longest side of less than one pixel.
    """
    if longest < 1:
        raise InputError(f"An image cannot be {longest} pixels wide.", hint="Give at least 1, better 512.")
    data = read_unchanged(image)
    picture = decode_bytes(data, path=image.path)  # what cannot be decoded here is not sent either
    if max(picture.size) <= longest:
        with open_header(io.BytesIO(data), path=image.path) as header:
            if _goes_as_it_is(header):
                return SentImage(_KINDS[str(header.format)], data)
    else:
        scale = longest / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=QUALITY, subsampling="4:4:4", optimize=False, progressive=False)
    return SentImage("image/jpeg", written.getvalue())


class ImageMessages:
    """Makes images ready in threads, a few at a time, so that neither the event loop nor memory suffers.

    Use it within one event loop.

    Args:
        longest: The longest side that is sent, in pixels.
        concurrency: The most images that are decoded at a time.
        how: What makes one image ready; `image_to_send`, unless a test says otherwise.
    """

    def __init__(
        self,
        *,
        longest: int = LONGEST_SIDE,
        concurrency: int = CONCURRENCY,
        how: Callable[..., SentImage] = image_to_send,
    ) -> None:
        self.longest = longest
        self._slots = asyncio.Semaphore(concurrency)
        self._how = how

    @property
    def identity(self) -> str:
        """What the bytes that are sent depend on, beside the image."""
        return f"{self.longest}px/q{QUALITY}"

    async def part(self, image: ImageFile) -> ImagePart:
        """An image, ready to be put into a message.

        Raises:
            UnusableImageError: See `image_to_send`.
        """
        async with self._slots:
            return (await asyncio.to_thread(self._how, image, longest=self.longest)).part


def _goes_as_it_is(header: Image.Image) -> bool:
    try:
        has_exif = bool(header.getexif())
    except Exception:  # hostile files make decoders raise anything; such a block is not sent on
        has_exif = True
    return (
        header.format in _KINDS
        and header.mode in _PLAIN_MODES
        and not header.has_transparency_data
        and getattr(header, "n_frames", 1) == 1
        and not has_exif
    )
