"""Prepares items ahead in threads and runs them through a network in batches as large as fit."""

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar, cast

import numpy as np
import torch

from fieldmark.cache.vectorstore import VectorStore
from fieldmark.errors import ModelError

logger = logging.getLogger(__name__)

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")

Fetch = Callable[[torch.Tensor], Callable[[], torch.Tensor]]
"""Begins to copy vectors from their device; what it returns waits for them."""


class BatchSize:
    """The number of items a batch may hold: doubled while it fits, halved where memory runs out."""

    def __init__(self, start: int, *, most: int | None = None) -> None:
        """Begin with `start` items and grow to `most` (by default not at all)."""
        if start < 1:
            raise ValueError(f"a batch holds at least one item, not {start}")
        self.size = start
        self._most = max(start, most or start)

    def fitted(self, items: int) -> None:
        """A batch of `items` went through: try twice as many next time, if it was a full one."""
        if items >= self.size:
            self.size = min(self.size * 2, self._most)

    def too_large(self, items: int) -> None:
        """Memory ran out on a batch of `items`: take half of it, and never try that many again.

        Raises:
            ModelError: A single item does not fit.
        """
        if items <= 1:
            raise ModelError(
                "The device has not enough memory for a single input.",
                hint="Free its memory, take a smaller model, or another device (cpu).",
            )
        self.size = self._most = max(1, items // 2)
        logger.warning("Out of memory with a batch of %d; going on with %d.", items, self.size)


def prepared_ahead(
    items: Iterable[A], prepare: Callable[[A], B], *, workers: int, ahead: Callable[[], int]
) -> Generator[B]:
    """Prepare items in threads, in order, a bounded number ahead of the consumer; it begins at once.

    Args:
        items: What to prepare.
        prepare: Called in a worker thread.
        workers: Number of threads.
        ahead: How many results may wait; asked again and again, as batches grow.

    Returns:
        The results in the order of the items. What is closed or let go of prepares no more.
    """
    results = _prepared(items, prepare, workers, ahead)
    next(results)
    return cast("Generator[B]", results)


def _prepared(
    items: Iterable[A], prepare: Callable[[A], B], workers: int, ahead: Callable[[], int]
) -> Generator[B | None]:
    """The results of `prepared_ahead`, after a None that says that the first are begun."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="fieldmark-decode")
    coming = iter(items)
    waiting: deque[Future[B]] = deque()
    try:
        waiting.extend(pool.submit(prepare, item) for item in islice(coming, max(1, ahead())))
        yield None
        for item in coming:
            waiting.append(pool.submit(prepare, item))
            while len(waiting) > max(1, ahead()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_batches(
    items: Iterable[A],
    forward: Callable[[Sequence[A]], R],
    batch_size: BatchSize,
    *,
    free_memory: Callable[[], None] = lambda: None,
) -> Iterator[tuple[list[A], R]]:
    """Run items through a network in batches, smaller ones where memory runs out.

    Args:
        items: The inputs.
        forward: Takes a batch; may raise an out-of-memory error, and is then called again with less.
        batch_size: Grows and shrinks with what fits.
        free_memory: Called after memory ran out, when nothing holds the failed batch any more.

    Yields:
        Each batch with its result, in order.

    Raises:
        ModelError: A single item does not fit.
    """
    waiting: deque[A] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) >= batch_size.size:
            yield _next_batch(waiting, forward, batch_size, free_memory)
    while waiting:
        yield _next_batch(waiting, forward, batch_size, free_memory)


def store_in_batches(
    inputs: Iterable[tuple[str, torch.Tensor]],
    forward: Callable[[Sequence[torch.Tensor]], torch.Tensor],
    batch_size: BatchSize,
    store: VectorStore,
    *,
    free_memory: Callable[[], None],
    progress: Callable[[int], None] | None,
    name: str,
    fetch: Fetch | None = None,
) -> int:
    """Run keyed inputs through a network and store each batch of vectors as it comes, as float16.

    Args:
        inputs: Keys of the store, with one network input each.
        forward: Takes a batch of inputs and returns vectors `[B, D]`.
        batch_size: Grows and shrinks with what fits.
        store: Takes the vectors; its width is D.
        free_memory: Called after memory ran out.
        progress: Called after each batch with the number of inputs done.
        name: The model's name, for the error.
        fetch: Begins to bring vectors here; `begin_fetch` unless given.

    Returns:
        The number of inputs.

    Raises:
        ModelError: A single input does not fit, or vectors are not finite or not as wide as the store.
    """
    done, fetch = 0, fetch or begin_fetch
    waiting: tuple[list[str], Callable[[], torch.Tensor]] | None = None
    batches = in_batches(
        inputs, lambda batch: forward([each for _, each in batch]), batch_size, free_memory=free_memory
    )
    for batch, vectors in batches:
        # One batch behind: while a GPU computes this one, the one before is stored and the next is put
        # together. The copy is begun now: once the next batch is queued, it would come after that.
        fetched = fetch(vectors)
        if waiting is not None:
            _put(store, *waiting, name)
        waiting = [key for key, _ in batch], fetched
        done += len(batch)
        if progress is not None:
            progress(done)
    if waiting is not None:
        _put(store, *waiting, name)
    return done


def begin_fetch(vectors: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Begin to copy vectors from their device, and return what waits for that copy and no later work.

    A plain `.cpu()` is queued behind all that the device was given by then, and waits for all of it.
    """
    if vectors.device.type != "cuda":
        return vectors.cpu
    copy = vectors.to("cpu", non_blocking=True)
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(vectors.device))

    def wait() -> torch.Tensor:
        copied.synchronize()
        return copy

    return wait


def _put(store: VectorStore, keys: list[str], fetched: Callable[[], torch.Tensor], name: str) -> None:
    with np.errstate(over="ignore"):
        rows = fetched().numpy().astype(np.float16)
    if rows.shape != (len(keys), store.width) or not np.isfinite(rows).all():
        raise ModelError(
            f"{name} returned vectors that are not finite or do not have {store.width} values.",
            hint="Its weights are damaged, or half precision is too low: try FIELDMARK_DEVICE=cpu.",
        )
    store.put_many(keys, rows)


def _next_batch(
    waiting: deque[A],
    forward: Callable[[Sequence[A]], R],
    batch_size: BatchSize,
    free_memory: Callable[[], None],
) -> tuple[list[A], R]:
    while True:
        batch = [waiting[i] for i in range(min(batch_size.size, len(waiting)))]
        result: list[R] = []
        try:
            result.append(forward(batch))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the handler, as the error holds on to every tensor of the failed batch.
        if not result:
            batch_size.too_large(len(batch))
            free_memory()
            continue
        for _ in batch:
            waiting.popleft()
        batch_size.fitted(len(batch))
        return batch, result[0]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device ran out of memory (torch has a class for it on CUDA only)."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text
