"""Questions, tokens and money are said in one line, the same everywhere."""

from pathlib import Path

import pytest

from fieldmark.cli.concept.progress import Telling
from fieldmark.cli.spending import say_spent, spent
from fieldmark.cli.terminal import words
from fieldmark.records import Usage
from fieldmark.tools.runs.events import ModelsClosed
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.evals.report.runs_to_report import manifest_of


def test_unknown_money_is_never_nothing() -> None:
    asked = Usage(requests=2, cached=1, prompt_tokens=1000, completion_tokens=234)
    assert spent(asked) == "Asked 2 questions, 1 answered from the cache; 1,234 tokens, cost unknown."
    assert spent(asked.model_copy(update={"cost": 0.0})).endswith("1,234 tokens, cost 0.")
    assert spent(Usage(cached=3)) == "Asked 0 questions, 3 answered from the cache."


def test_missing_answers_are_told_by_reason_the_most_frequent_first() -> None:
    line = spent(Usage(requests=5, failed=3, cost=1.0), {"timeout": 1, "refused": 2})
    assert "3 without a usable answer (refused 2, timeout 1); 0 tokens, cost 1." in line


def test_a_run_s_line_counts_both_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunFolder.create(tmp_path, kind="optimize", options={})
    run.write_manifest(
        manifest_of(
            run,
            usage=Usage(requests=1, prompt_tokens=10, cost=0.5),
            vision_usage=Usage(requests=2, prompt_tokens=90, cost=0.25),
        )
    )
    say_spent(run.path, words(json=False))
    assert capsys.readouterr().out == "Asked 3 questions, 0 answered from the cache; 100 tokens, cost 0.75.\n"


def test_a_sitting_says_what_it_spent(capsys: pytest.CaptureFixture[str]) -> None:
    with Telling("Loading") as progress:
        progress(ModelsClosed(usage=Usage(requests=4, prompt_tokens=8)))
    assert "Asked 4 questions, 0 answered from the cache; 8 tokens, cost unknown." in capsys.readouterr().err
