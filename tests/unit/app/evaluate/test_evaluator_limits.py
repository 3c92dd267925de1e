"""The limit on calls is of a whole evaluation, whatever number of settings it has."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fieldmark.app.evaluate import evaluator
from fieldmark.app.evaluate.record import spent_by
from fieldmark.evals.table import aviary_run, aviary_settings
from fieldmark.evals.table.options import EvalOptions
from fieldmark.records import Limits, Usage


async def test_a_question_asked_again_counts_as_often_as_it_was_asked(
    tmp_path: Path, monkeypatch: Any
) -> None:
    left: list[int | None] = []

    async def one_question_in_three_calls(*args: Any, limits: Limits, began: Any, **more: Any) -> None:
        left.append(limits.max_calls)
        began(SimpleNamespace(llm=SimpleNamespace(calls=3, usage=Usage(requests=1))))

    monkeypatch.setattr(aviary_run, "run_setting", one_question_in_three_calls)
    monkeypatch.setattr(aviary_settings, "AviaryWorld", lambda **fields: None)
    options = EvalOptions(data="aviary", settings=("new", "known", "vocabulary"))
    task = evaluator.Evaluator(options=options, out=tmp_path, limits=Limits(max_calls=5))
    stores: Any = type("Stores", (), {"aviary": tmp_path, "answers": None})
    nothing: Any = None
    tasks: list[Any] = []
    await task._aviary((), stores, nothing, nothing, nothing, tasks)
    assert left == [5, 2, 0]
    assert spent_by(tasks).requests == 3
