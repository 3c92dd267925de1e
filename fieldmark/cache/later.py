"""Does the disk's work in a thread of its own, in order, so that whoever computes need not wait for it."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

MOST_WAITING = 64
"""Pieces of work that may wait; with more, whoever hands work over waits instead."""


class Later:
    """Work that is done in the order in which it was handed over, one piece at a time.

    Once a piece has failed nothing more is done: what comes later may build on it. Whatever names what was
    written, a checkpoint for one, must wait for `settled` first.
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
        """Wait until everything that was handed over before this call is done.

        Raises:
            Exception: What a piece failed with.
        """
        if self._last is not None:
            # Whoever waits may be cancelled; the work is not.
            await asyncio.shield(asyncio.wrap_future(self._last))

    def settle(self) -> None:
        """The same as `settled`, for whoever is not asynchronous."""
        if self._last is not None:
            self._last.result()

    def close(self) -> None:
        """Do what is left and end the thread; failures are told by `settled` alone."""
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
