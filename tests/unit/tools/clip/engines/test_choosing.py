"""An engine is opened by its name, and nothing of it is imported before."""

import importlib.util
from pathlib import Path

import pytest

from tests.command_line import CommandLine


def test_without_the_extra_a_sentence_says_what_to_install(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, drawn: Path
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "ray" else real(name, *more)
    )
    told = command_line.invoke(
        "classify", str(drawn), "--classes", "a,b", "--clip", "aviary", "--engine", "ray", "--start", "names",
        "--max-rounds", "0",
    )  # fmt: skip
    assert 'pip install "fieldmark[ray]"' in told.err
    assert told.code == 2
