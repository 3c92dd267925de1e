"""What an image is known by: where it lies, the hash of its content, and its label if any."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ImageFile:
    """An image file as it was when it was found.

    Attributes:
        path: Where it lies.
        content_hash: SHA-256 of its bytes, in hexadecimal; it names the picture everywhere else.
        label: Name of the folder it lies in, where labels were asked for.
    """

    path: Path
    content_hash: str
    label: str | None = None


@dataclass(frozen=True)
class ImageBytes(ImageFile):
    """An image file whose bytes are here: a member of an archive, a cell of a table, or read from afar.

    Attributes:
        path: What it is called, which may be an address.
        data: The whole file.
    """

    data: bytes = field(default=b"", repr=False)
