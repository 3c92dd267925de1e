"""Runs asynchronous work to its end for callers that are not asynchronous themselves."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from fieldmark.errors import InputError

T = TypeVar("T")

UNWINDINGS = 20
"""How often an interrupt may come up again while what it left running ends."""


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work, and see to it that an interrupted one is unwound.

    Ctrl-C hits whichever task is computing. The others still hold what must be closed, a checkpoint's
    connection with a thread of its own among it, and each task that is handed the interrupt raises it out of
    the loop once more. `asyncio.run` stops there, and the process would never end.
    """
    found: list[T] = []

    async def keep() -> None:
        # The runner looks for its signal handler by Python's enumeration of handlers, which prints the task
        # with all that it returns, twice: that can be every label and vector of a large run.
        found.append(await work)

    with asyncio.Runner() as runner:
        try:
            runner.run(keep())
            return found[0]
        except KeyboardInterrupt:
            _unwind(runner.get_loop())
            raise
        except Exception as error:
            # A library that is cancelled amid its own clean-up may raise something else (anyio does, now and
            # then). The runner counts interrupts, and tells of them only where the work ends as cancelled.
            if not getattr(runner, "_interrupt_count", 0):
                raise
            _unwind(runner.get_loop())
            raise KeyboardInterrupt from error


def _unwind(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left, and let it end.

    Each task is cancelled once: a second time would hit it while it closes what it holds.
    """
    cancelled: set[asyncio.Task[Any]] = set()
    for _ in range(UNWINDINGS):
        left = asyncio.all_tasks(loop)
        for task in left - cancelled:
            task.cancel()
        cancelled |= left
        if not left:
            break
        with suppress(KeyboardInterrupt):  # handed on by a task that waited for the interrupted one
            loop.run_until_complete(asyncio.wait(left))
    for task in cancelled:
        if task.done() and not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain that nobody did


def run_here(work: Coroutine[Any, Any, T], name: str) -> T:
    """Run to the end what `name` stands for.

    Raises:
        InputError: An event loop is running already.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run_to_end(work)
    work.close()
    raise InputError(
        f"{name}() was called inside a running event loop.", hint=f"Use `await a{name}(…)` there."
    )
