"""The limit on calls is of a whole evaluation, whatever number of settings it has."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fieldmark import Aviary, Evaluator, UsageLimits
from fieldmark.app.evaluate.record import spent_by
from fieldmark.evals.table.sources.source import Workplace
from fieldmark.records import Usage


async def test_a_question_asked_again_counts_as_often_as_it_was_asked(
    tmp_path: Path, monkeypatch: Any
) -> None:
    left: list[int | None] = []

    @asynccontextmanager
    async def one_question_in_three_calls(self: Aviary, setting: str, work: Workplace) -> AsyncIterator[Any]:
        left.append(work.limits.max_calls)
        yield SimpleNamespace(llm=SimpleNamespace(calls=3, usage=Usage(requests=1)), vlm=None)

    monkeypatch.setattr(Aviary, "test_data", one_question_in_three_calls)
    data = Aviary(settings=("new", "known", "vocabulary"))
    task = Evaluator(data=data, out=tmp_path, limits=UsageLimits(max_calls=5))
    stores: Any = type("Stores", (), {"aviary": tmp_path, "answers": None})
    nothing: Any = None
    tasks: list[Any] = []
    for setting in data.settings:
        async with task._data(setting, None, stores, nothing, (), tasks) as made:
            tasks.append(made)
    assert left == [5, 2, 0]
    assert spent_by(tasks).requests == 3
