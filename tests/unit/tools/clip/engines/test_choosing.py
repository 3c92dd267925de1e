"""An engine is opened by its name, and nothing of it is imported before."""

import importlib.util
from pathlib import Path

import pytest

from fieldmark.tools.clip.engines.ray_data import share
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


@pytest.mark.parametrize(
    ("nodes", "on_gpu", "expected"),
    [
        ([{"CPU": 2.0}], False, (2, 1)),
        ([{"CPU": 1.0}], False, (1, 1)),
        ([{"CPU": 16.0}, {"CPU": 16.0}], False, (8, 4)),
        ([{"CPU": 2.0}, {"CPU": 64.0}, {"memory": 1.0}], False, (16, 2)),  # fits on the small one, too
        ([{"CPU": 16.0, "GPU": 2.0}], True, (2, 8)),
        ([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 64.0}], True, (1, 8)),  # never more than its machine has
        ([{"CPU": 96.0, "GPU": 4.0}, {"CPU": 4.0, "GPU": 4.0}], True, (8, 1)),
    ],
)
def test_actors_take_what_every_machine_can_give(
    nodes: list[dict[str, float]], on_gpu: bool, expected: tuple[int, int]
) -> None:
    assert share(nodes, on_gpu=on_gpu) == expected
