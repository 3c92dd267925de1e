"""Knows pictures again from their bytes, and what each of them shows: how the scripted guide "sees"."""

import hashlib
import io
import json
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fieldmark.aviary.world.conditions import HABITAT, LIGHT
from fieldmark.aviary.world.dataset import TRUTH_FILE, read_truth
from fieldmark.aviary.world.flock import is_flock, read_flock
from fieldmark.cache.folders import write_whole
from fieldmark.reading import read_bytes
from fieldmark.tools.images.decode import decode_bytes

THUMBNAILS_FILE = "thumbnails.npz"
_FORMAT = 1
_EDGE = 16
FARTHEST = 0.04
"""Beyond this distance (1 − correlation of the thumbnails) a picture is none of those known."""
NEXT_BEST = 0.35
"""A picture is known only if the nearest is at most this share of the distance of the second nearest."""
_REMEMBERED = 20_000
_MOST_PIXELS = 50_000_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What one known picture shows."""

    content_hash: str
    """SHA-256 of the original file, in hexadecimal."""
    values: Mapping[str, str]
    """Value of every feature: the sixteen marks, habitat and light."""


class Gallery:
    """The pictures whose content the guide knows.

    An original is known by its SHA-256; a downsized or encoded-anew one by the nearest thumbnail (16 × 16
    RGB, without brightness and contrast). Safe to use from many threads.

    Args:
        facts: What each picture shows.
        thumbnails: `[N, 16, 16, 3]` uint8, in the same order.
    """

    def __init__(self, facts: Sequence[PictureFacts], thumbnails: np.ndarray) -> None:
        self._facts = tuple(facts)
        self._by_hash = {each.content_hash: number for number, each in enumerate(self._facts)}
        self._looks = _normal(thumbnails.reshape(len(self._facts), _EDGE * _EDGE * 3))
        stated = [[each.content_hash, sorted(each.values.items())] for each in self._facts]
        self.identity = hashlib.sha256(json.dumps(sorted(stated)).encode("ascii")).hexdigest()[:12]
        """Twelve hex digits that change with any picture or what it shows."""
        self._known: dict[str, int | None] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._facts)

    @classmethod
    def of_folders(cls, folders: Iterable[Path | str]) -> "Gallery":
        """Gather the pictures of drawn data sets and flocks.

        Thumbnails are made once and kept beside the pictures (`thumbnails.npz`).

        Args:
            folders: Folders made by `render_dataset` or `render_flock`.

        Raises:
            InputError: If one is neither.
        """
        facts: list[PictureFacts] = []
        thumbnails = [np.zeros((0, _EDGE, _EDGE, 3), np.uint8)]
        for folder in map(Path, folders):
            truth = _truth_of(folder)
            hashes, looks = _thumbnails(folder, list(truth))
            facts += [PictureFacts(name, values) for name, values in zip(hashes, truth.values(), strict=True)]
            thumbnails.append(looks)
        return cls(facts, np.concatenate(thumbnails))

    def look(self, data: bytes) -> PictureFacts | None:
        """Know a picture again.

        Returns:
            What it shows; None if it is none of the known pictures.

        Raises:
            UnusableImageError: If the bytes are no picture.
        """
        name = hashlib.sha256(data).hexdigest()
        number = self._by_hash.get(name)
        if number is None:
            if name not in self._known:
                found = self._nearest(data)
                with self._lock:
                    if len(self._known) >= _REMEMBERED:
                        self._known.clear()
                    self._known[name] = found
            number = self._known.get(name)
        return None if number is None else self._facts[number]

    def _nearest(self, data: bytes) -> int | None:
        picture = decode_bytes(data, path=Path("the picture"), max_pixels=_MOST_PIXELS)
        if not self._facts:
            return None
        distances = 1 - self._looks @ _normal(_thumbnail(picture).reshape(1, -1))[0]
        order = np.argpartition(distances, min(1, len(distances) - 1))[:2]
        order = order[np.argsort(distances[order])]
        nearest = float(distances[order[0]])
        second = float(distances[order[1]]) if len(order) > 1 else np.inf
        known = nearest <= FARTHEST and nearest <= NEXT_BEST * second
        return int(order[0]) if known else None


def _truth_of(folder: Path) -> dict[str, dict[str, str]]:
    """File → value of every feature, of a data set or a flock."""
    if is_flock(folder):
        return {
            each.file: each.marks | {HABITAT: each.habitat, LIGHT: each.light} for each in read_flock(folder)
        }
    book, images = read_truth(folder)
    marks = {species.name: dict(species.marks) for species in book}
    return {each.file: marks[each.species] | {HABITAT: each.habitat, LIGHT: each.light} for each in images}


def _thumbnails(folder: Path, files: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Content hashes and thumbnails of files, from the store beside them where it fits."""
    key = hashlib.sha256(f"{_FORMAT} ".encode() + read_bytes(folder / TRUTH_FILE)).hexdigest()
    store = folder / THUMBNAILS_FILE
    if store.is_file():
        try:
            with np.load(store, allow_pickle=False) as kept:
                if str(kept["key"]) == key:
                    return [str(name) for name in kept["hashes"]], kept["thumbnails"]
        except (OSError, ValueError, KeyError) as error:
            _log.warning("%s cannot be read (%s); made again.", store, error)
    hashes: list[str] = []
    looks = np.zeros((len(files), _EDGE, _EDGE, 3), np.uint8)
    for number, file in enumerate(files):
        data = read_bytes(folder / file)
        hashes.append(hashlib.sha256(data).hexdigest())
        looks[number] = _thumbnail(decode_bytes(data, path=folder / file))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, key=np.array(key), hashes=np.array(hashes), thumbnails=looks)
    try:
        write_whole(store, [buffer.getvalue()])
    except OSError as error:
        _log.warning("%s cannot be written (%s); it will be made again next time.", store, error)
    return hashes, looks


def _thumbnail(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB").resize((_EDGE, _EDGE), Image.Resampling.BOX), dtype=np.uint8)


def _normal(rows: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and length 1, float32; a row without any contrast becomes zeros."""
    centred = rows.astype(np.float32) - rows.mean(axis=1, keepdims=True, dtype=np.float32)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.maximum(lengths, 1e-6)
