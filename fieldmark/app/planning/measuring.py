"""Measures for a few seconds how fast images are encoded here; nothing of it is kept."""

import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from fieldmark.app.models import ChosenModels
from fieldmark.app.stores import open_stores
from fieldmark.cache.vectorstore import MemoryVectorStore
from fieldmark.errors import NoImagesError
from fieldmark.records import Record
from fieldmark.tools.clip.clip import open_encoder
from fieldmark.tools.images.files import find_images, image_files

MOST = 2048
"""No more images than this are looked at: enough for two of the largest batches."""


class MeasuredEncoding(Record):
    """How fast images were encoded."""

    clip: str
    device: str
    width: int
    images: int
    """Encoded while it was measured; one may come several times."""
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Their quotient."""
        return self.images / self.seconds


def measure_encoding(
    places: Sequence[Path], chosen: ChosenModels, *, home: Path | None = None, seconds: float = 5.0
) -> MeasuredEncoding:
    """Encode some images again and again for a few seconds, from file to vector, as a command would.

    Args:
        places: Images, and folders of them.
        chosen: The encoder and its device.
        home: Where facts about weights are kept.
        seconds: How long, after a first round that is not counted.

    Raises:
        NoImagesError: Not one image is usable.
        ModelError: The model cannot be opened.
    """
    listed = chain.from_iterable(image_files(each)[0] if each.is_dir() else (each,) for each in places)
    found = find_images(list(listed)[:MOST]).images
    if not found:
        raise NoImagesError("There is no image to measure with.", hint="Name some that are like your own.")
    with open_stores(home) as stores:
        kept = MemoryVectorStore(width=1)

        def vectors(_: str, width: int) -> MemoryVectorStore:
            nonlocal kept
            kept = MemoryVectorStore(width=width)
            return kept

        encoder = open_encoder(chosen.clip, vectors=vectors, metadata=stores.facts, device=chosen.device)
        encoder.encode_images(found)  # loads the network, and finds what fits a batch
        before, began = encoder.usage.images_encoded, time.perf_counter()
        while (spent := time.perf_counter() - began) < seconds or not spent:
            kept.clear()
            encoder.encode_images(found)
    return MeasuredEncoding(
        clip=encoder.name,
        device=encoder.device.type,
        width=encoder.width,
        images=encoder.usage.images_encoded - before,
        seconds=time.perf_counter() - began,
    )
