"""Writes to disk in a background thread, in order, so that a computation need not wait for the disk."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

MOST_WAITING = 64
"""The most writes that may wait; then `hand` blocks."""


class BackgroundWriter:
    """Does pieces of work one at a time, in the order in which they were submitted.

    Once a piece has failed, no later one is done, as it may build on the failed one. Wait for `settled`
    before you write anything that refers to the work, such as a checkpoint.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._last: Future[None] | None = None
        self._failure: Exception | None = None
        self._room = threading.BoundedSemaphore(MOST_WAITING)

    def hand(self, work: Callable[[], object]) -> None:
        """Hand work over; it is done soon.

        Raises:
            Exception: What an earlier piece failed with.
        """
        if self._failure is not None:
            raise self._failure
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="fieldmark-disk")
        self._room.acquire()
        self._last = self._thread.submit(self._do, work)

    async def settled(self) -> None:
        """Wait until everything that was submitted before this call is done.

        Raises:
            Exception: What a piece failed with.
        """
        if self._last is not None:
            # The waiting task may be cancelled; the work is not.
            await asyncio.shield(asyncio.wrap_future(self._last))

    def settle(self) -> None:
        """Like `settled`, for synchronous code."""
        if self._last is not None:
            self._last.result()

    def close(self) -> None:
        """Do what is left and end the thread; only `settled` and `settle` raise failures."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None

    def _do(self, work: Callable[[], object]) -> None:
        try:
            if self._failure is not None:
                raise self._failure
            work()
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._room.release()
