"""Runs asynchronous work to its end for callers that are not asynchronous themselves.

It knows nothing of what the work is.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from fieldmark.errors import InputError

T = TypeVar("T")

UNWINDINGS = 20
"""How often what an interrupt left running is told to end, before it is left alone."""


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work, and see to it that an interrupted one is unwound.

    Ctrl-C hits whichever task is computing. The others still hold what must be closed, a checkpoint's
    connection with a thread of its own among it, and each task that is handed the interrupt raises it out of
    the loop once more. `asyncio.run` stops there, and the process would never end.
    """
    with asyncio.Runner() as runner:
        try:
            return runner.run(work)
        except KeyboardInterrupt:
            _unwind(runner.get_loop())
            raise


def _unwind(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left until nothing is."""
    for _ in range(UNWINDINGS):
        left = asyncio.all_tasks(loop)
        if not left:
            return
        for task in left:
            task.cancel()
        with suppress(KeyboardInterrupt):  # handed on by a task that waited for the interrupted one
            loop.run_until_complete(asyncio.wait(left))
        for task in left:
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
