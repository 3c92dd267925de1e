"""Many workers with one Redis: each question is asked once, and no kill makes a value wrong."""

import random
import signal
import time
from collections import Counter
from collections.abc import Generator
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from fieldmark.cache.redis_store import LEASE_S as USUAL_LEASE_S
from fieldmark.cache.redis_store import open_redis_store
from tests.faulty_endpoint import FaultyEndpoint
from tests.servers import RedisServer
from tests.unit.cache.redis_store import asking
from tests.unit.cache.redis_store.asking import LEASE_S, QUESTIONS, truly
from tests.warm_process import warm_context

WORKERS = 10


@pytest.fixture
def server(tmp_path: Path) -> Generator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    return warm_context()


def start(
    processes: ForkServerContext,
    endpoint: FaultyEndpoint,
    server: RedisServer,
    seed: int,
    lease_s: float = LEASE_S,
) -> ForkServerProcess:
    arguments = [endpoint.base_url, server.url, str(seed), str(lease_s)]
    process = processes.Process(target=asking.main, args=(arguments,))
    process.start()
    return process


def numbers(endpoint: FaultyEndpoint) -> Counter[int]:
    """How often each question arrived whole."""
    return Counter(int(each.text.rpartition(" ")[2]) for each in endpoint.chats if each.body is not None)


def test_ten_workers_ask_each_question_once(processes: ForkServerContext, server: RedisServer) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        workers = [start(processes, endpoint, server, seed, USUAL_LEASE_S) for seed in range(WORKERS)]
        for worker in workers:
            worker.join(240)
        assert [worker.exitcode for worker in workers] == [0] * WORKERS
        asked = numbers(endpoint)
    assert (len(asked), asked.total()) == (QUESTIONS, QUESTIONS)
    with open_redis_store(server.url) as store:
        assert store.stats().entries == QUESTIONS
        assert store.verify().ok
        assert store.refused == 0


def test_a_killed_workers_questions_are_asked_by_another(
    processes: ForkServerContext, server: RedisServer
) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        first = start(processes, endpoint, server, 0)
        until = time.monotonic() + 60
        while len(numbers(endpoint)) < 20 and time.monotonic() < until:
            time.sleep(0.01)
        first.kill()
        first.join()
        held = len(server.client().keys("fieldmark:1:claim:*"))
        second = start(processes, endpoint, server, 0)
        second.join(120)
        assert second.exitcode == 0
        asked = numbers(endpoint)
    assert len(asked) == QUESTIONS
    assert asked.total() <= QUESTIONS + 4, "only what was in flight is asked again"
    assert held <= 4


def test_no_kill_makes_a_value_wrong(processes: ForkServerContext, server: RedisServer) -> None:
    draw = random.Random(5)
    kills = 0
    with FaultyEndpoint([truly]) as endpoint:
        workers = [start(processes, endpoint, server, seed) for seed in range(4)]
        until = time.monotonic() + 180
        while any(worker.is_alive() for worker in workers) and time.monotonic() < until:
            time.sleep(draw.uniform(0.2, 0.6))
            if kills >= 12:
                continue
            kills += 1
            if kills % 3 == 0:
                server.kill()
                time.sleep(draw.uniform(0, 0.5))
                server.start()
            else:
                place = draw.randrange(4)
                workers[place].kill()
                workers[place].join()
                workers[place] = start(processes, endpoint, server, 100 + kills)
        for worker in workers:
            worker.join(60)
            # Whoever waited too long for the server ends with a sentence, never with a wrong answer.
            assert worker.exitcode in (0, 3, -signal.SIGKILL)
        last = start(processes, endpoint, server, 999)
        last.join(120)
        assert last.exitcode == 0
        asked = numbers(endpoint)
    assert kills >= 6
    assert len(asked) == QUESTIONS
    with open_redis_store(server.url) as store:
        assert store.verify().ok
        assert store.stats().entries == QUESTIONS
        time.sleep(LEASE_S)
        assert server.client().keys("fieldmark:1:claim:*") == []
