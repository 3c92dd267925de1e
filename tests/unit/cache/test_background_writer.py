"""Handed-over work is done in order, waited for, and ends with the first failure."""

import asyncio
import threading
from pathlib import Path

import pytest

from fieldmark.cache import background_writer as module
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.background_writer import BackgroundWriter


def test_work_is_done_in_order_while_the_caller_goes_on() -> None:
    done: list[int] = []
    gate, later = threading.Event(), BackgroundWriter()
    later.hand(gate.wait)
    for number in range(5):
        later.hand(lambda number=number: done.append(number))
    assert done == []
    gate.set()
    asyncio.run(later.settled())
    assert done == [0, 1, 2, 3, 4]
    later.close()


def test_waiting_is_for_what_was_handed_over_before() -> None:
    async def go() -> bool:
        gate, later = threading.Event(), BackgroundWriter()
        later.hand(int)
        waiting = asyncio.ensure_future(later.settled())
        await asyncio.sleep(0)  # it has begun to wait
        later.hand(gate.wait)
        await waiting
        still_shut = not gate.is_set()
        gate.set()
        later.close()
        return still_shut

    assert asyncio.run(go())


def test_nothing_is_done_after_a_failure() -> None:
    done: list[int] = []
    gate, later = threading.Event(), BackgroundWriter()

    def fail() -> None:
        gate.wait()
        raise OSError("no space left")

    later.hand(fail)
    later.hand(lambda: done.append(1))
    gate.set()
    with pytest.raises(OSError, match="no space"):
        asyncio.run(later.settled())
    with pytest.raises(OSError, match="no space"):
        later.hand(lambda: done.append(2))
    later.close()
    assert done == []


def test_who_hands_too_much_over_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    gate, later = threading.Event(), BackgroundWriter()
    handed: list[int] = []

    def hand() -> None:
        for number in range(4):
            later.hand(gate.wait)
            handed.append(number)

    giver = threading.Thread(target=hand)
    giver.start()
    giver.join(0.1)
    assert handed == [0, 1]
    gate.set()
    giver.join(10)
    assert handed == [0, 1, 2, 3]
    later.close()


def test_a_closed_one_takes_work_again() -> None:
    done: list[int] = []
    later = BackgroundWriter()
    later.close()
    later.hand(lambda: done.append(1))
    later.close()
    assert done == [1]


def test_a_value_put_later_has_the_name_it_has_at_once(tmp_path: Path) -> None:
    store, later = ArrayStore(tmp_path / "one"), BackgroundWriter()
    name = store.put_json([1, "é"], later=later)
    later.settle()
    assert store.get_json(name) == [1, "é"]
    assert name == ArrayStore(tmp_path / "other").put_json([1, "é"])
    later.close()
