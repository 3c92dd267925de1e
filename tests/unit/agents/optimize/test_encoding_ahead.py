"""Asking and encoding go on at once; neither is left behind when the other fails."""

import asyncio
import threading

import pytest

from fieldmark.agents.optimize.encode_ahead import AT_ONCE, encoding_ahead
from fieldmark.app.event_loop import run_to_end
from fieldmark.tools.clip.encoder import Progress


def test_each_waits_for_the_other_to_begin() -> None:
    encoding, asked = threading.Event(), threading.Event()

    async def ask() -> str:
        await asyncio.to_thread(encoding.wait, 10)
        asked.set()
        return "answers"

    def encode(progress: Progress) -> None:
        encoding.set()
        if not asked.wait(10):
            raise TimeoutError
        progress(1, 1)

    clock: dict[str, float] = {}
    assert run_to_end(encoding_ahead(ask(), encode, clock)) == "answers"
    assert clock[AT_ONCE] > 0


def test_encoding_stops_where_asking_fails() -> None:
    began, batches = threading.Event(), list[int]()

    async def ask() -> None:
        await asyncio.to_thread(began.wait, 10)
        raise ValueError("a limit")

    def encode(progress: Progress) -> None:
        for batch in range(100_000):
            progress(batch, 100_000)
            batches.append(batch)
            began.set()
            threading.Event().wait(0.001)

    with pytest.raises(ValueError, match="a limit"):
        run_to_end(encoding_ahead(ask(), encode, {}))
    done = len(batches)
    assert 0 < done < 100_000


@pytest.mark.parametrize("asking", [60, 0])
def test_encoding_is_over_when_a_cancelled_run_ends(asking: int) -> None:
    """Also where all was answered, and encoding alone goes on."""
    began, ended = threading.Event(), threading.Event()

    def encode(progress: Progress) -> None:
        began.set()
        try:
            for _ in range(3_000):  # an end, for a thread that nobody stops
                progress(0, 1)
                threading.Event().wait(0.001)
        finally:
            ended.set()

    async def go() -> bool:
        run = asyncio.ensure_future(encoding_ahead(asyncio.sleep(asking), encode, {}))
        await asyncio.to_thread(began.wait, 10)
        await asyncio.sleep(0.01)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        return ended.is_set()

    assert run_to_end(go())


def test_what_encoding_fails_with_is_told() -> None:
    def encode(progress: Progress) -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        run_to_end(encoding_ahead(asyncio.sleep(0), encode, {}))
