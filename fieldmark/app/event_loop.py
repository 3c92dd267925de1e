"""Runs asynchronous work to its end for callers that are not asynchronous themselves.

It knows nothing of what the work is.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fieldmark.errors import InputError

T = TypeVar("T")


def run_here(work: Coroutine[Any, Any, T], name: str) -> T:
    """Run to the end what `name` stands for.

    Raises:
        InputError: An event loop is running already.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    work.close()
    raise InputError(
        f"{name}() was called inside a running event loop.", hint=f"Use `await a{name}(…)` there."
    )
