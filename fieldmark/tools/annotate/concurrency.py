"""Works through many images a few at a time, and keeps what is done when something stops it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from fieldmark.tools.annotate.annotator import AnnotationProgress
from fieldmark.tools.images.files import ImageFile

A = TypeVar("A")
B = TypeVar("B")


async def through(
    items: Sequence[A],
    work: Callable[[A], Awaitable[B]],
    *,
    at_once: int,
    progress: AnnotationProgress | None = None,
) -> list[B]:
    """Do some work with every item, at most so many at a time.

    There are never more tasks than that, however many items there are. Once the work on one item fails, no
    other is begun; those under way are finished, as they may have been paid for, and then the error is
    raised. Being cancelled cancels them all.

    Args:
        items: The items.
        work: What is done with one of them.
        at_once: The most at a time.
        progress: Called with how many of how many are done.

    Returns:
        What came of each, in order.

    Raises:
        Exception: The first one that the work raised.
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
        for _ in range(min(at_once, len(items))):
            group.create_task(worker())
    if stopped:
        raise stopped[0]
    return [results[index] for index in range(len(items))]


async def through_distinct(
    images: Sequence[ImageFile],
    work: Callable[[ImageFile], Awaitable[B]],
    *,
    at_once: int,
    progress: AnnotationProgress | None = None,
) -> tuple[B, ...]:
    """The same with images, those of equal content once; what came of each of the N, in order."""
    distinct = {image.content_hash: image for image in images}
    found = await through(list(distinct.values()), work, at_once=at_once, progress=progress)
    by_hash = dict(zip(distinct, found, strict=True))
    return tuple(by_hash[image.content_hash] for image in images)
