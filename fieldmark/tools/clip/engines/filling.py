"""Fills a vector store by an engine, shard by shard, before a command asks for the vectors."""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fieldmark.cache.folders import PRIVATE_FILE
from fieldmark.cache.vectorstore import DiskVectorStore, VectorStore
from fieldmark.tools.clip.encoder import image_key
from fieldmark.tools.clip.engines.work import BATCH, Encode
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.in_memory import ImageInMemory
from fieldmark.tools.images.pool_shard import PoolShard

_log = logging.getLogger(__name__)

SHARD = 4 * BATCH
"""Images of a shard: whole batches, so that each is the batch that the process itself would have made."""
_LOCK = "engine.lock"


def fill(
    store: VectorStore,
    images: Sequence[ImageFile],
    progress: Callable[[int, int], None] | None = None,
    *,
    encode: Encode,
) -> int:
    """Encode the files that have no vector yet, and store each shard's vectors in one transaction.

    Less than a batch is left to the process itself: no cluster is started for it.

    A file that no worker could encode has no vector after it: whoever asks for it tries it once more, and
    says why. Of two processes that fill one store on disk, the second waits, and finds what the first did.

    Args:
        store: The vector store of the model.
        images: Found files; what is in memory alone is left to the process itself.
        progress: Called with how many of how many distinct files have been encoded.
        encode: The engine, with the model settled.

    Returns:
        How many were encoded.
    """
    files = {each.content_hash: each for each in images if not isinstance(each, ImageInMemory)}
    if len(_missing(store, list(files))) < BATCH:
        return 0
    with _alone(store):
        missing = _missing(store, list(files))
        if len(missing) < BATCH:
            return 0
        done, lost = 0, list[str]()
        for shard in encode(_shards([files[each] for each in missing])):
            store.put_many(shard.keys, shard.rows)
            done += len(shard.keys)
            lost += (f"{each.path}: {each.reason}" for each in shard.skipped)
            if progress is not None:
                progress(done + len(lost), len(missing))
    if lost:
        _log.warning("Workers could not encode %d images; they are tried here (%s).", len(lost), lost[0])
    return done


def _missing(store: VectorStore, hashes: list[str]) -> list[str]:
    _, found = store.get_many([image_key(each) for each in hashes])
    return [hashes[at] for at in np.flatnonzero(~found)]


def _shards(files: Sequence[ImageFile]) -> list[PoolShard]:
    return [
        PoolShard(
            places=tuple(str(each.path.absolute()) for each in part),
            hashes=tuple(each.content_hash for each in part),
        )
        for part in (files[start : start + SHARD] for start in range(0, len(files), SHARD))
    ]


@contextmanager
def _alone(store: VectorStore) -> Generator[None]:
    """Waits until no other process fills the store; the lock of a process that was killed is free."""
    if not isinstance(store, DiskVectorStore):
        yield
        return
    with waiting_lock(store.folder):
        yield


@contextmanager
def waiting_lock(folder: Path, *, private: bool = True) -> Generator[None]:
    """Holds a folder's lock; waits, and says so, while another process has it.

    Args:
        folder: Where the lock's file is made.
        private: Whether it is for its owner alone, and not what the user's own files are.
    """
    from filelock import FileLock, Timeout

    path = folder / _LOCK
    lock = FileLock(path, mode=PRIVATE_FILE) if private else FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _log.warning("Another process encodes into %s; waiting for it.", folder)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
