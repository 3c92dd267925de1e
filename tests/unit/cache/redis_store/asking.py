"""A worker that asks questions of one endpoint with one Redis for its answers."""

import asyncio
import json
import random
from collections.abc import Sequence

import openai  # noqa: F401 - here, so that it is loaded before processes are forked
import pytest

from fieldmark.cache.redis_store import open_redis_store
from fieldmark.errors import CacheError
from tests.faulty_endpoint import Received, Reply, completion
from tests.unit.tools.llm.llm_cases import ask_marks, chat

pytest.importorskip("redis")

QUESTIONS = 200
LEASE_S = 2.0


def true_answer(number: int) -> str:
    return f"mark of {number}"


def truly(request: Received) -> Reply:
    """The endpoint's answer, which names the question."""
    if request.body is None:  # whoever asked was killed while asking
        return Reply(hang_up=True)
    number = int(request.text.rpartition(" ")[2])
    return completion(json.dumps({"marks": [true_answer(number)]}), delay_s=0.02)


async def work(url: str, server: str, seed: int, lease_s: float) -> None:
    """Ask all questions in an order of one's own; a wrong answer is an error."""
    order = list(range(QUESTIONS))
    random.Random(seed).shuffle(order)
    with open_redis_store(server, lease_s=lease_s) as store:
        async with chat(url, store, identity="same", concurrency=4, timeout_s=60.0) as model:

            async def one(number: int) -> None:
                answer = await model.ask(ask_marks(f"number {number}"))
                if answer.value.marks != [true_answer(number)]:
                    raise SystemExit(f"{number}: {answer.value}")

            await asyncio.gather(*map(one, order))


def main(arguments: Sequence[str]) -> None:
    """What a process runs: 0 done, 3 where the store went away."""
    url, server, seed, lease_s = arguments
    try:
        asyncio.run(work(url, server, int(seed), float(lease_s)))
    except CacheError:
        raise SystemExit(3) from None
