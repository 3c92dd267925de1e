"""What every worker of an engine does: holds a model, and encodes one shard of a pool after the other."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise, repeat
from typing import Protocol, Self

import numpy as np
import torch

from fieldmark.cache.rowfile import Rows
from fieldmark.cache.vectorstore import MemoryVectorStore
from fieldmark.errors import ModelError
from fieldmark.records import Record, SkippedInput
from fieldmark.tools.clip.batches import prepared_ahead
from fieldmark.tools.clip.clip import ClipEncoder, open_encoder
from fieldmark.tools.clip.encoder import image_key
from fieldmark.tools.clip.engines.pieces import Piece
from fieldmark.tools.images.decode import quiet_about_size
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.pool_shard import PoolShard, read_shard

BATCH = 64
"""Images of a batch."""
IN_MEMORY = 16 * BATCH
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

    def on(self, device: str, *, threads: int) -> Self:
        """The same model for another worker."""
        return self.model_copy(update={"device": device, "threads": threads})


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
            vectors=lambda _, width: MemoryVectorStore(width=width),
            device=model.device,
            precision=model.precision,
            workers=model.threads,
        )
        if self._encoder.identity != model.identity:
            raise ModelError(
                f'A worker has other weights or settings under the name "{model.spec}".',
                hint="Give every machine the same weights, and the same versions of torch and open_clip.",
            )

    def encode_all(self, shards: Iterable[PoolShard]) -> Iterator[EncodedShard]:
        """Encode shards in order; while one is encoded, the next is read and decoded.

        Raises:
            InputError: A shard cannot be read; those before it are given.
        """
        begun = (self.begin(number, each) for number, each in enumerate(shards))
        with quiet_about_size():
            for encode, _ in pairwise(chain(begun, (None,))):  # the next is begun before this one is encoded
                if encode is not None:
                    yield encode()

    def begin(self, number: int, shard: PoolShard) -> Callable[[], EncodedShard]:
        """Begin to read and decode a shard, and return what encodes it in the thread that calls.

        What is begun holds two parts of `IN_MEMORY` files at most, and of each part the pixels of two batches
        and as many as there are threads. Several threads may begin; they encode one after the other.
        """
        parts = prepared_ahead(repeat(read_shard(shard)), self._begin_part, workers=1, ahead=lambda: 1)
        return lambda: self._encoded(number, parts)

    def encode_piece(self, piece: Piece) -> Piece:
        """Encode pictures that were decoded elsewhere. Several threads may call; one at a time encodes.

        Raises:
            ModelError: They were decoded for another model.
        """
        if piece.preprocessing != self._encoder.preprocessing.key:
            raise ModelError(
                "A machine that decodes has another preprocessing under the model's name.",
                hint="Give every machine the same weights, and the same versions of torch and open_clip.",
            )
        rows = MemoryVectorStore(width=self._encoder.width)
        self._encoder.encode_inputs(zip(piece.keys, torch.from_numpy(piece.values), strict=True), rows)
        return replace(piece, values=rows.get_many(piece.keys)[0])

    def _begin_part(self, found: Iterator[ImageFile | SkippedInput]) -> "_Part | None":
        """Read what comes next of a shard, and begin to decode it; None at its end."""
        held = list(islice(found, IN_MEMORY))
        if not held:
            return None
        images = [each for each in held if isinstance(each, ImageFile)]
        rows = MemoryVectorStore(width=self._encoder.width)
        return _Part(
            images=images,
            unread=[each for each in held if isinstance(each, SkippedInput)],
            rows=rows,
            encode=self._encoder.begin_images(images, rows),
        )

    def _encoded(self, number: int, parts: Generator["_Part | None"]) -> EncodedShard:
        names, keys, skipped = list[str](), list[str](), list[SkippedInput]()
        rows = [np.zeros((0, self._encoder.width), np.float16)]
        with closing(parts):
            for part in parts:
                if part is None:
                    break
                part.encode()
                made, found = part.rows.get_many([image_key(each.content_hash) for each in part.images])
                fine = [each for each, there in zip(part.images, found, strict=True) if there]
                skipped += part.unread
                broken = [each for each, there in zip(part.images, found, strict=True) if not there]
                skipped += not_encoded(broken, self._encoder.failures)
                names += (str(each.path) for each in fine)
                keys += (image_key(each.content_hash) for each in fine)
                rows.append(made[found])
        return EncodedShard(number, tuple(names), tuple(keys), np.concatenate(rows), tuple(skipped))


@dataclass(frozen=True)
class _Part:
    """What is read of a shard at once.

    Attributes:
        images: Found files, whose decoding has begun.
        unread: What could not be read.
        rows: Has the vectors once they are encoded.
        encode: Encodes the images.
    """

    images: Sequence[ImageFile]
    unread: Sequence[SkippedInput]
    rows: MemoryVectorStore
    encode: Callable[[], None]


class LocalEngine:
    """An `Engine` in this process, with a model of its own."""

    def encode(self, shards: Sequence[PoolShard], model: WorkerModel) -> Iterator[EncodedShard]:
        """See `Engine`."""
        yield from ShardEncoder(model).encode_all(shards)


def not_encoded(images: Sequence[ImageFile], lost: Sequence[SkippedInput]) -> Iterator[SkippedInput]:
    """Images without a vector, each with the reason that is known."""
    reasons = {each.path: each for each in lost} if images else {}
    for path in (str(each.path) for each in images):
        yield reasons.get(path) or SkippedInput(path=path, reason="cannot be encoded")


def worker_model(encoder: ClipEncoder, *, threads: int) -> WorkerModel:
    """What workers open so that their vectors are those of an encoder."""
    return WorkerModel(
        spec=encoder.name,
        identity=encoder.identity,
        device=str(encoder.device),
        precision=encoder.precision,
        threads=threads,
    )
