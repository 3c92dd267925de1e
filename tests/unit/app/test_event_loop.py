import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from fieldmark.app.event_loop import run_here, run_to_end
from fieldmark.errors import InputError


class Held:
    """Something with a thread that only closing it ends, as a checkpoint's connection is."""

    def __init__(self):
        self.open = False
        self._end = threading.Event()
        self.thread = threading.Thread(target=self._end.wait, daemon=True)

    async def __aenter__(self):
        self.open = True
        self.thread.start()
        return self

    async def __aexit__(self, *_):
        await asyncio.sleep(0.01)  # closing takes a turn of the loop
        self.open = False
        self._end.set()


async def handing_on(work):
    """Wait for work in a task of its own; where it failed, raise what it raised, though one is cancelled."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    finally:
        if task.done():
            task.result()


async def interrupted():
    await asyncio.sleep(0.01)
    raise KeyboardInterrupt


async def holding(held, *, depth):
    """The interrupt hits the innermost task; each one outside of it raises it out of the loop again."""
    async with held:
        work = interrupted()
        for _ in range(depth):
            work = handing_on(work)
        await work


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_an_interrupt_that_is_handed_on_leaves_nothing_open(depth):
    held = Held()
    with pytest.raises(KeyboardInterrupt):
        run_to_end(holding(held, depth=depth))
    assert not held.open
    held.thread.join(1)
    assert not held.thread.is_alive()


def test_a_signal_at_any_moment_leaves_nothing_open():
    async def busy(held):
        async with held:
            await asyncio.gather(*(spin() for _ in range(4)))

    async def spin():
        for _ in range(10**9):
            await asyncio.sleep(0)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for _ in range(5):
            held = Held()
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
            with pytest.raises(KeyboardInterrupt):
                run_to_end(busy(held))
            assert not held.open
    finally:
        signal.signal(signal.SIGINT, before)


def test_work_that_ends_and_work_that_fails():
    async def seven():
        return 7

    async def fails():
        raise InputError("no")

    assert run_to_end(seven()) == run_here(seven(), "seven") == 7
    with pytest.raises(InputError, match="no"):
        run_to_end(fails())


async def test_a_running_loop_is_told_to_wait_instead():
    async def seven():
        return 7

    with pytest.raises(InputError, match="await aseven"):
        run_here(seven(), "seven")


@pytest.fixture
def listening() -> Iterator[None]:
    """A process that was started in the background ignores Ctrl-C; here it is heard wherever tests run."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
def test_an_interrupt_is_an_interrupt_whatever_the_cancelled_work_raises() -> None:
    async def work() -> None:
        asyncio.get_running_loop().call_later(0.02, signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            raise RuntimeError("not the current scope") from None

    with pytest.raises(KeyboardInterrupt):
        run_to_end(work())


def test_a_fault_without_an_interrupt_stays_what_it_is() -> None:
    async def work() -> None:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        run_to_end(work())
