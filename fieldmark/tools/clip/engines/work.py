"""What every worker of an engine does: holds a model, and encodes one shard of a pool after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np

from fieldmark.cache.rowfile import Rows
from fieldmark.cache.vectorstore import MemoryVectorStore
from fieldmark.errors import ModelError, NoImagesError
from fieldmark.records import Record, SkippedInput
from fieldmark.tools.clip.clip import ClipEncoder, open_encoder
from fieldmark.tools.clip.encoder import image_key
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.pool_shard import PoolShard, read_shard

IN_MEMORY = 1024
"""Files of an archive or a table that a worker holds at once; a whole number of batches."""


class WorkerModel(Record):
    """What a worker opens.

    Attributes:
        spec: The model, as `open_encoder` takes it.
        identity: What its vectors must have come from.
        device: Where it runs, as `open_encoder` takes it.
        precision: "fp32", "bf16" or "fp16"; it is part of the identity.
        threads: Threads that read and decode images.
    """

    spec: str
    identity: str
    device: str
    precision: str
    threads: int


@dataclass(frozen=True)
class EncodedShard:
    """What became of a shard.

    Attributes:
        number: Its number among those that were given.
        names: Names of the N images that have a vector, in order.
        keys: Their keys in a vector store; content that comes twice has one key.
        rows: Their vectors, float16 `[N, D]`.
        skipped: What could not be encoded, with the reason.
    """

    number: int
    names: tuple[str, ...]
    keys: tuple[str, ...]
    rows: Rows
    skipped: tuple[SkippedInput, ...]


class Engine(Protocol):
    """Where shards are encoded."""

    def encode(self, shards: Sequence[PoolShard], model: WorkerModel) -> Iterator[EncodedShard]:
        """Encode shards, each once, and give each as it is ready, in whatever order.

        A shard whose worker was killed is encoded again, but for `ProcessEngine`, which ends. Nothing of a
        shard is given before all of it is.

        Raises:
            ModelError: The workers cannot be had, have ended, or cannot open the model.
            InputError: A shard cannot be read.
        """
        ...


class Encode(Protocol):
    """An engine's `encode`, with the model settled."""

    def __call__(self, shards: Sequence[PoolShard]) -> Iterator[EncodedShard]:
        """See `Engine`."""
        ...


class ShardEncoder:
    """Encodes shards with a model that it holds.

    Raises:
        ModelError: The model cannot be opened here, or is another.
    """

    def __init__(self, model: WorkerModel) -> None:
        self._encoder = open_encoder(
            model.spec,
            vectors=self._opened,
            device=model.device,
            precision=model.precision,
            workers=model.threads,
        )
        if self._encoder.identity != model.identity:
            raise ModelError(
                f'A worker has other weights or settings under the name "{model.spec}".',
                hint="Give every machine the same weights, and the same versions of torch and open_clip.",
            )
        self._rows = MemoryVectorStore(width=self._encoder.width)

    def encode(self, number: int, shard: PoolShard) -> EncodedShard:
        """Encode one shard.

        Raises:
            InputError: It cannot be read.
        """
        names, keys, skipped = list[str](), list[str](), list[SkippedInput]()
        parts = [np.zeros((0, self._encoder.width), np.float16)]
        found = read_shard(shard)
        while held := list(islice(found, IN_MEMORY)):
            images = [each for each in held if isinstance(each, ImageFile)]
            skipped += (each for each in held if isinstance(each, SkippedInput))
            broken, fine = _encoded(self._encoder, images)
            skipped += broken
            names += (str(image.path) for image in fine)
            fresh = [image_key(image.content_hash) for image in fine]
            keys += fresh
            parts.append(self._rows.get_many(fresh)[0])
            self._rows.clear()
        return EncodedShard(number, tuple(names), tuple(keys), np.concatenate(parts), tuple(skipped))

    def _opened(self, identity: str, width: int) -> MemoryVectorStore:
        return self._rows


class LocalEngine:
    """An `Engine` in this process, with a model of its own."""

    def encode(self, shards: Sequence[PoolShard], model: WorkerModel) -> Iterator[EncodedShard]:
        """See `Engine`."""
        encoder = ShardEncoder(model)
        for number, each in enumerate(shards):
            yield encoder.encode(number, each)


def worker_model(encoder: ClipEncoder, *, threads: int) -> WorkerModel:
    """What workers open so that their vectors are those of an encoder."""
    return WorkerModel(
        spec=encoder.name,
        identity=encoder.identity,
        device=str(encoder.device),
        precision=encoder.precision,
        threads=threads,
    )


def _encoded(encoder: ClipEncoder, images: Sequence[ImageFile]) -> tuple[list[SkippedInput], list[ImageFile]]:
    """What is broken, and what has a vector now."""
    try:
        ok = encoder.encode_images(images).ok.tolist() if images else []
    except NoImagesError:
        ok = [False] * len(images)
    reasons = {each.path: each for each in encoder.failures}
    broken = [str(image.path) for image, there in zip(images, ok, strict=True) if not there]
    return (
        [reasons.get(path) or SkippedInput(path=path, reason="cannot be encoded") for path in broken],
        [image for image, there in zip(images, ok, strict=True) if there],
    )
