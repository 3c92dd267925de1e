"""A run that was killed, stopped or left by its endpoint goes on and ends as if nothing had been."""

import json
import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from fieldmark.app.event_loop import run_to_end
from fieldmark.errors import EndpointError, RunError
from fieldmark.tools.runs.checkpoint_name import stands_for
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, error
from tests.graph import crash
from tests.graph.crash import AT_ONCE, QUESTIONS, go, truly
from tests.graph.running import Ran
from tests.graph.tampering import plant_call, psycopg_connection
from tests.warm_process import warm_context

QUICK = {"retry-after-ms": "1"}
pytestmark = pytest.mark.usefixtures("checkpoints")


@dataclass(frozen=True)
class Whole:
    """A run that nothing disturbed."""

    ran: Ran
    raw: bytes
    asked: tuple[str, ...]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    with FaultyEndpoint([truly]) as endpoint:
        ran = run_to_end(go(tmp_path_factory.mktemp("whole"), endpoint.base_url))
        asked = tuple(texts(endpoint))
    assert (ran.state.stop_reason, ran.state.round) == ("max_rounds", 3)
    assert len(set(asked)) == len(asked) == QUESTIONS
    return Whole(ran, ran.raw, asked)


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """New processes that have the libraries loaded: starting one from nothing takes seconds."""
    return warm_context()


def start(
    processes: ForkServerContext, folder: Path, endpoint: FaultyEndpoint, **given: object
) -> ForkServerProcess:
    where = os.environ.get("FIELDMARK_CHECKPOINTS", "")
    told = json.dumps({"folder": str(folder), "url": endpoint.base_url, "checkpoints": where, **given})
    process = processes.Process(target=crash.main, args=([told],))
    process.start()
    return process


def resume(folder: Path, endpoint: FaultyEndpoint, **given: object) -> Ran:
    return run_to_end(go(folder, endpoint.base_url, **given))  # pyright: ignore[reportArgumentType]


def texts(endpoint: FaultyEndpoint) -> list[str]:
    """The questions that arrived whole: a kill may cut one off while it is being sent."""
    return [request.text for request in endpoint.chats if request.body is not None]


def repeats(endpoint: FaultyEndpoint) -> list[str]:
    """The questions that arrived more than once, as often as they were asked in vain."""
    counts = Counter(texts(endpoint))
    return [text for text, count in counts.items() for _ in range(count - 1)]


# ---------------------------------------------------------------- kill -9


@pytest.mark.parametrize(
    ("die_at", "on", "in_flight"),
    [
        ("QuestionAnswered", 3, AT_ONCE),
        ("EncodingStarted", 1, 0),
        ("triaged noted", 1, 0),
        ("QuestionAnswered", 18, AT_ONCE),
        ("RoundSummary", 3, 0),
        ("predictions written", 1, 0),
        ("finished noted", 1, 0),
    ],
)
def test_a_killed_run_ends_as_if_it_had_not_been_killed(
    tmp_path: Path, whole: Whole, processes: ForkServerContext, die_at: str, on: int, in_flight: int
) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        process = start(processes, tmp_path, endpoint, die_at=die_at, on=on)
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        before = endpoint.asked
        assert not (tmp_path / "run" / "book.json").exists() or die_at == "finished noted"
        ran = resume(tmp_path, endpoint)
        assert len(repeats(endpoint)) <= in_flight
        assert set(texts(endpoint)) == set(whole.asked)
        assert 0 < before <= len(whole.asked)
    assert ran.raw == whole.raw
    assert ran.state.stop_reason == whole.ran.state.stop_reason
    assert ran.state.history == whole.ran.state.history


def stuck_from(count: int, released: threading.Event) -> Callable[[Received], Reply]:
    """Answers so many questions and keeps all later ones waiting until it is released."""
    seen = 0

    def answer(request: Received) -> Reply:
        nonlocal seen
        seen += 1
        if seen <= count or released.is_set():
            return truly(request)
        return Reply(hang_up=True, delay_s=60)

    return answer


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("answered", [6, 22])
def test_only_what_was_in_flight_is_asked_again(
    tmp_path: Path, whole: Whole, processes: ForkServerContext, answered: int, cache: bool
) -> None:
    """Without a cache as well: then it is the checkpoint that keeps the answers."""
    dead = threading.Event()
    with FaultyEndpoint([stuck_from(answered, dead)]) as endpoint:
        process = start(processes, tmp_path, endpoint, cache=cache)
        try:
            wait_for(lambda: endpoint.asked >= answered + AT_ONCE)
            if not cache:
                wait_for(lambda: kept_answers(tmp_path / "run" / "checkpoint.sqlite") >= answered)
        finally:
            process.kill()
            process.join()
            dead.set()
        stuck = set(texts(endpoint)[answered:])
        assert len(stuck) == AT_ONCE
        ran = resume(tmp_path, endpoint, cache=cache)
        assert set(repeats(endpoint)) == stuck
        assert endpoint.asked == len(whole.asked) + AT_ONCE
    assert ran.raw == whole.raw


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def kept_answers(checkpoint: Path) -> int:
    if stands_for(checkpoint).exists():
        with psycopg_connection() as database:
            row = database.execute(
                "select count(*) from checkpoint_writes "
                "where thread_id like %s and channel = 'fresh' and length(blob) > 20",
                (stands_for(checkpoint).read_text() + "/%",),
            ).fetchone()
        return row[0]
    with sqlite3.connect(f"file:{checkpoint}?mode=ro", uri=True) as database:
        (count,) = database.execute(
            "select count(*) from writes where channel = 'fresh' and length(value) > 20"
        ).fetchone()
    return count


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("most", [0, 5, 18, 23])
def test_a_higher_limit_goes_on_where_the_limit_stopped(
    tmp_path: Path, whole: Whole, most: int, cache: bool
) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        stopped = resume(tmp_path, endpoint, most=most, cache=cache)
        assert stopped.state.stop_reason == "budget"
        assert endpoint.asked == most
        assert len(stopped.predictions) == 32
        assert len(stopped.notebook.notes) == most
        ran = resume(tmp_path, endpoint, cache=cache)
        assert sorted(texts(endpoint)) == sorted(whole.asked)
    assert ran.raw == whole.raw
    assert ran.state.history == whole.ran.state.history
    assert ran.state.stop_reason == "max_rounds"


def test_limits_in_small_steps_add_up_to_the_whole(tmp_path: Path) -> None:
    """With the planner as it is, whatever it asks."""
    with FaultyEndpoint([truly]) as endpoint:
        whole = resume(tmp_path / "whole", endpoint, scripted=False)
        asked = sorted(texts(endpoint))
    with FaultyEndpoint([truly]) as endpoint:
        steps = [resume(tmp_path / "steps", endpoint, most=3, cache=False, scripted=False)]
        while steps[-1].state.stop_reason == "budget":
            assert len(steps) < 40
            steps.append(resume(tmp_path / "steps", endpoint, most=3, cache=False, scripted=False))
        assert sorted(texts(endpoint)) == asked
    assert len(steps) == -(-len(asked) // 3)
    assert len(asked) > 16
    assert steps[-1].raw == whole.raw
    assert steps[-1].state.history == whole.state.history


def test_the_same_limit_again_changes_nothing_and_asks_nothing(tmp_path: Path) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        first = resume(tmp_path, endpoint, most=18)
        raw = first.raw
        again = resume(tmp_path, endpoint, most=0)
        assert endpoint.asked == 18
    assert again.state.stop_reason == "budget"
    assert again.raw == raw
    assert again.state.history == first.state.history


def test_a_finished_run_is_returned_as_it_is(tmp_path: Path, whole: Whole) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        resume(tmp_path, endpoint)
        asked = endpoint.asked
        changed = (tmp_path / "run" / "predictions.jsonl").stat().st_mtime_ns
        again = resume(tmp_path, endpoint, cache=False)
        assert endpoint.asked == asked == len(whole.asked)
    assert again.raw == whole.raw
    assert (tmp_path / "run" / "predictions.jsonl").stat().st_mtime_ns == changed


# ---------------------------------------------------------------- the endpoint goes away


def gone_from(count: int, *replies: Reply) -> list[Callable[[Received], Reply] | Reply]:
    return [*([truly] * count), *replies]


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("answered", [5, 22])
def test_an_endpoint_that_dies_and_comes_back(
    tmp_path: Path, whole: Whole, answered: int, cache: bool
) -> None:
    """As it dies, some questions break off, others find it gone; none of them counts as answered."""
    dying = error(503, "going down", headers=QUICK)
    script = gone_from(answered, dying, dying, error(401, "no more"))
    with FaultyEndpoint(script) as endpoint:
        stopped = resume(tmp_path, endpoint, cache=cache, retries=0)
        kept = texts(endpoint)[:answered]
    assert stopped.state.stop_reason == "endpoint"
    assert len(stopped.predictions) == 32
    assert len(stopped.notebook.notes) == answered
    with FaultyEndpoint([truly]) as endpoint:
        ran = resume(tmp_path, endpoint, cache=cache)
        asked = texts(endpoint)
    assert sorted([*kept, *asked]) == sorted(whole.asked)
    assert ran.raw == whole.raw
    assert ran.state.history == whole.ran.state.history


def test_an_endpoint_that_was_down_from_the_start_can_be_waited_for(tmp_path: Path, whole: Whole) -> None:
    with FaultyEndpoint() as endpoint:
        url = endpoint.base_url
    for _ in range(2):
        with pytest.raises(EndpointError, match="No connection"):
            run_to_end(go(tmp_path, url, retries=0))
    with FaultyEndpoint([truly]) as endpoint:
        ran = resume(tmp_path, endpoint)
        assert sorted(texts(endpoint)) == sorted(whole.asked)
    assert ran.raw == whole.raw


def test_an_endpoint_too_busy_for_every_question_stops_the_run(tmp_path: Path, whole: Whole) -> None:
    with FaultyEndpoint([error(429, "too busy", headers=QUICK)]) as endpoint:
        stopped = resume(tmp_path, endpoint, retries=0)
    assert stopped.state.stop_reason == "endpoint"
    assert stopped.notebook.notes == ()
    with FaultyEndpoint([truly]) as endpoint:
        assert resume(tmp_path, endpoint).raw == whole.raw


# ---------------------------------------------------------------- a tampered checkpoint


def test_a_tampered_checkpoint_calls_nothing(tmp_path: Path) -> None:
    """Whoever can write the file could name any function with its argument, were any type let in."""
    proof = tmp_path / "called"
    with FaultyEndpoint([truly]) as endpoint:
        resume(tmp_path, endpoint, most=18)
        plant_call(tmp_path / "run" / "checkpoint.sqlite", "temperature", proof=proof)
        with pytest.raises(RunError):
            resume(tmp_path, endpoint)
    assert not proof.exists()
