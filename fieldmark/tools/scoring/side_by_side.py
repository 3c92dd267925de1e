"""Runs pieces of tensor work side by side, each on one thread: none waits for another in an operation."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Found = TypeVar("Found")


def side_by_side(work: Callable[[Piece], Found], pieces: Iterable[Piece]) -> Iterator[Found]:
    """The results of `work` for every piece, in the order of the pieces.

    As many pieces run at a time as torch may use threads (`torch.get_num_threads()`), and torch uses one
    thread in each. Torch's own way, several threads for every operation, has them wait for each other after
    each: where other programs hold the cores, that wait is most of the time. Here a thread that has to wait
    holds nobody up before the end.

    Args:
        work: Has to be safe beside itself: pieces write to places of their own.
        pieces: Independent of each other, and of the number of threads if sums are to be the same everywhere.

    Yields:
        One result a piece. All of `work` is done when the last one is out.

    Raises:
        Exception: What `work` raises, at its place in the order; pieces that have not begun are dropped.
    """
    waiting = list(pieces)
    threads = min(torch.get_num_threads(), len(waiting))
    if threads < 2:
        yield from map(work, waiting)
        return
    inference, grad = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def alike(piece: Piece) -> Found:
        with torch.inference_mode(inference), torch.set_grad_enabled(grad):  # both are kept per thread
            return work(piece)

    with _single_threads(threads) as pool:
        # Results that nobody has fetched may be large: no more than two a thread are under way.
        under_way = deque(pool.submit(alike, piece) for piece in waiting[: 2 * threads])
        try:
            for piece in waiting[2 * threads :]:
                yield under_way.popleft().result()
                under_way.append(pool.submit(alike, piece))
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


def _single_threads(threads: int) -> ThreadPoolExecutor:
    """Threads in which torch uses one thread each.

    Torch keeps the number per thread, but the last one set is also what threads begin with that come later:
    it is set back before any work begins.
    """
    own = torch.get_num_threads()
    all_set = Barrier(threads + 1)

    def begin() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # the first call in a thread takes over the last number set
        all_set.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="fieldmark-scoring", initializer=begin)
    try:
        for _ in range(threads):
            pool.submit(int)
        all_set.wait()
    except BaseException:  # no more threads to be had, or Ctrl-C: nobody may be left waiting
        all_set.abort()
        raise
    finally:
        torch.set_num_threads(own)
    return pool
