"""What the actors of a Ray cluster do. They take the model as JSON, and give rows of `Piece`s."""

from collections.abc import Iterator
from typing import Any

from fieldmark.tools.clip.engines.pieces import Piece, as_batch, from_row
from fieldmark.tools.clip.engines.work import ShardEncoder, WorkerModel
from fieldmark.tools.images.decode import silence_size_warning
from fieldmark.tools.images.pool_shard import PoolShard


class RayWorker:
    """Takes one shard, as JSON, in a batch of Ray Data, and gives its vectors.

    Two threads call it, so that one shard is read and decoded while the other is encoded.
    """

    def __init__(self, model: str) -> None:
        silence_size_warning()
        self._encoder = ShardEncoder(WorkerModel.model_validate_json(model))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Encode one shard."""
        done = self._encoder.begin(*_shard(batch))()
        files = tuple(zip(done.names, done.keys, strict=True))
        return as_batch(Piece(done.number, 0, True, done.keys, done.rows, files, done.skipped))


class RayDecoder:
    """Takes one shard, as JSON, and gives its pictures, decoded, piece by piece."""

    def __init__(self, model: str) -> None:
        from fieldmark.tools.clip.engines.decoder import (
            ShardDecoder,
        )  # imports open_clip, which takes seconds

        silence_size_warning()
        self._decoder = ShardDecoder(WorkerModel.model_validate_json(model))

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Decode one shard."""
        yield from map(as_batch, self._decoder.pieces(*_shard(batch)))  # Ray takes a generator alone


class RayEncoder:
    """Takes one piece that was decoded, and gives its vectors; one of two threads takes the next."""

    def __init__(self, model: str) -> None:
        self._encoder = ShardEncoder(WorkerModel.model_validate_json(model))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Encode one piece."""
        return as_batch(self._encoder.encode_piece(from_row({name: rows[0] for name, rows in batch.items()})))


def _shard(batch: dict[str, Any]) -> tuple[int, PoolShard]:
    return int(batch["number"][0]), PoolShard.model_validate_json(str(batch["shard"][0]))
