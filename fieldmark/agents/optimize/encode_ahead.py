"""Encodes, while questions are under way, what does not depend on their answers."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from fieldmark.tools.clip.encoder import Progress

T = TypeVar("T")

AT_ONCE = "at once"
"""The clock's name for the seconds in which questions were under way and something was encoded."""


class _Stopped(Exception):
    """Nobody waits for the vectors any more."""


async def encoding_ahead(
    asking: Awaitable[T], encode: Callable[[Progress], object], clock: dict[str, float]
) -> T:
    """Ask, and encode in a thread meanwhile; wait for both.

    Where asking fails, or the whole is cancelled, encoding stops after the batch that it is at, and is waited
    for: the stores that it writes to outlive it.

    Args:
        asking: What asks.
        encode: What encodes; it passes its argument on as the encoder's `progress`.
        clock: The seconds in which both went on are added to it, under `AT_ONCE`.

    Returns:
        What asking returns.

    Raises:
        Exception: What either of them failed with.
    """
    stop = threading.Event()

    def progress(done: int, of: int) -> None:
        if stop.is_set():
            raise _Stopped

    def work() -> float:
        with suppress(_Stopped):
            encode(progress)
        return time.perf_counter()

    began = time.perf_counter()
    encoding = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        answered = await asking
        asked = time.perf_counter()
        encoded = await asyncio.shield(encoding)
    except BaseException:
        stop.set()
        await asyncio.wait([encoding])
        raise
    clock[AT_ONCE] = clock.get(AT_ONCE, 0.0) + min(asked, encoded) - began
    return answered
