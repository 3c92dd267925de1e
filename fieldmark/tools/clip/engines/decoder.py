"""Reads and decodes shards for a model that another machine holds."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise

import numpy as np
import torch

from fieldmark.records import SkippedInput
from fieldmark.tools.clip.decoded_ahead import by_content, decoded_ahead
from fieldmark.tools.clip.encoder import image_key
from fieldmark.tools.clip.engines.pieces import Piece
from fieldmark.tools.clip.engines.work import BATCH, IN_MEMORY, WorkerModel, not_encoded
from fieldmark.tools.clip.preprocessing import preprocessing_of
from fieldmark.tools.clip.weights import find_model
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.pool_shard import PoolShard, read_shard

PIECE = 4 * BATCH
"""Pictures of a piece: whole batches, so that each is the batch of an actor that decodes beside its GPU."""
_NOTHING = np.zeros(0, np.uint8)


class ShardDecoder:
    """Makes inputs of a model's network of the pictures of shards; holds no network.

    Args:
        model: Of it only the name and the threads are used.

    Raises:
        ModelError: The model is not here.
    """

    def __init__(self, model: WorkerModel) -> None:
        self._prepare = preprocessing_of(find_model(model.spec))
        self._threads = model.threads

    def pieces(self, number: int, shard: PoolShard) -> Iterator[Piece]:
        """A shard's pictures, `PIECE` at a time; as many pieces each time, whatever can be decoded.

        Holds two parts of `IN_MEMORY` files at most, and of each the pixels of one piece and one batch.

        Raises:
            InputError: What is far cannot be reached.
        """
        found = read_shard(shard)
        parts = iter(lambda: list(islice(found, IN_MEMORY)), [])
        begun = map(self._begin, chain([next(parts, [])], parts))
        at = 0
        for part, following in pairwise(chain(begun, (None,))):  # the next is read while this one is decoded
            if part is None:
                return
            done = set[str]()
            for left in reversed(range(part.pieces)):
                taken = list(islice(part.inputs, PIECE) if left else part.inputs)
                keys = tuple(key for key, _ in taken)
                done.update(keys)
                piece = Piece(
                    number=number,
                    at=at,
                    last=not left and following is None,
                    keys=keys,
                    values=torch.stack([each for _, each in taken]).numpy() if taken else _NOTHING,
                    preprocessing=self._prepare.key,
                )
                yield piece if left else part.told(piece, done)
                at += 1

    def _begin(self, held: Sequence[ImageFile | SkippedInput]) -> "_Part":
        images = [each for each in held if isinstance(each, ImageFile)]
        groups, lost = by_content(images), list[SkippedInput]()
        return _Part(
            images=images,
            unread=[each for each in held if isinstance(each, SkippedInput)],
            lost=lost,
            inputs=decoded_ahead(
                list(groups.values()),
                self._prepare,
                workers=self._threads,
                ahead=lambda: BATCH,
                failed=lost.append,
            ),
            pieces=max(1, -(-len(groups) // PIECE)),
        )


@dataclass(frozen=True)
class _Part:
    """What is read of a shard at once.

    Attributes:
        images: Found files, whose decoding has begun.
        unread: What could not be read.
        lost: What could not be decoded so far.
        inputs: Keys and inputs of what can be, each content once.
        pieces: Into how many pieces they go.
    """

    images: Sequence[ImageFile]
    unread: Sequence[SkippedInput]
    lost: Sequence[SkippedInput]
    inputs: Iterator[tuple[str, torch.Tensor]]
    pieces: int

    def told(self, piece: Piece, done: Set[str]) -> Piece:
        """The last of its pieces with what became of its files; `done` has the keys of what was decoded."""
        keyed = [(each, image_key(each.content_hash)) for each in self.images]
        broken = [each for each, key in keyed if key not in done]
        return replace(
            piece,
            files=tuple((str(each.path), key) for each, key in keyed if key in done),
            skipped=(*self.unread, *not_encoded(broken, self.lost)),
        )
