"""Small pictures of one colour each, and tar files of them."""

import io
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from fieldmark.tools.datasets.domain import Domain


def picture(number: int, suffix: str = "png") -> bytes:
    """The bytes of a small picture that no other number has."""
    made = io.BytesIO()
    image = Image.new("RGB", (8, 8), (number % 256, number // 256, 7))
    image.save(made, format={"jpg": "JPEG"}.get(suffix, suffix.upper()), lossless=True, quality=100)
    return made.getvalue()


Member = tuple[str, bytes]


def write_tar(path: Path, members: Iterable[Member | tarfile.TarInfo]) -> Path:
    """A plain tar file of files, and of members made by hand."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return path


def sample(number: int, label: int, suffix: str = "png") -> list[Member]:
    """Picture and label of one sample, as CLIP_benchmark writes them."""
    key = f"s{number:07}"
    return [(f"{key}.{suffix}", picture(number, suffix)), (f"{key}.cls", str(label).encode())]


Draw = Callable[[Path, int], Path]
Make = Callable[..., Domain]


def shown(images: Any) -> list[tuple[str, str]]:
    """Class and file of each image."""
    return [(str(image.label), image.path.stem) for image in images]
