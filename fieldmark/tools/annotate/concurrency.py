"""Calls an async function on many items with bounded concurrency, and finishes running calls on an error."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from fieldmark.tools.annotate.annotator import AnnotationProgress
from fieldmark.tools.images.files import ImageFile

A = TypeVar("A")
B = TypeVar("B")


async def map_concurrently(
    items: Sequence[A],
    work: Callable[[A], Awaitable[B]],
    *,
    concurrency: int,
    progress: AnnotationProgress | None = None,
) -> list[B]:
    """Call an async function on every item, at most `concurrency` at a time.

    No more than `concurrency` tasks exist at a time. Once a call fails, no other is begun. Calls under way
    are finished, as they may have been paid for, and then the error is raised. Cancellation cancels all.

    Args:
        items: The items.
        work: The function.
        concurrency: The most calls at a time.
        progress: Called with the number of items done and their total.

    Returns:
        The results, in the order of the items.

    Raises:
        Exception: The first one that a call raised.
    """
    results: dict[int, B] = {}
    waiting = iter(enumerate(items))
    stopped: list[Exception] = []

    async def worker() -> None:
        for index, item in waiting:
            try:
                results[index] = await work(item)
                if progress is not None:
                    progress(len(results), len(items))
            except Exception as error:  # any: those beside it must not be cancelled for it
                stopped.append(error)
            if stopped:
                return
            await asyncio.sleep(0)  # work that waited for nothing must not keep the event loop to itself

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(items))):
            group.create_task(worker())
    if stopped:
        raise stopped[0]
    return [results[index] for index in range(len(items))]


async def map_distinct_images(
    images: Sequence[ImageFile],
    work: Callable[[ImageFile], Awaitable[B]],
    *,
    concurrency: int,
    progress: AnnotationProgress | None = None,
) -> tuple[B, ...]:
    """Like `map_concurrently` over images, with one call for images of equal content.

    Returns:
        A result for each of the N images, in order.
    """
    distinct = {image.content_hash: image for image in images}
    found = await map_concurrently(list(distinct.values()), work, concurrency=concurrency, progress=progress)
    by_hash = dict(zip(distinct, found, strict=True))
    return tuple(by_hash[image.content_hash] for image in images)
