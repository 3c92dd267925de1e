"""`adapt` says what tuning is worth, and `next-class` what to label next, in words and as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from fieldmark.app.learned import adapt as adapting
from fieldmark.tools.clip.adapters.stored import AdapterCard
from tests.command_line import CommandLine

CARD = AdapterCard(
    base="aviary", base_identity="b", sha256="s", width=192, method="adapt-labels", recipe={}, classes=3,
    images=12, texts=9, first_loss=2.0, last_loss=1.0, held_out=4, right_before=1, right_after=3,
    logit_scale=30.0, base_logit_scale=26.5,
)  # fmt: skip


@pytest.fixture
def labelled(command_line: CommandLine) -> Path:
    for name in ("wren", "heron"):
        (command_line.folder / "labelled" / name).mkdir(parents=True)
    return command_line.folder / "labelled"


@pytest.mark.parametrize(("after", "nothing"), [(3, False), (1, True)])
def test_what_tuning_is_worth_is_said(
    command_line: CommandLine, labelled: Path, monkeypatch: pytest.MonkeyPatch, after: int, nothing: bool
) -> None:
    given: dict[str, Any] = {}
    card = CARD.model_copy(update={"right_after": after})

    def tune(labels: str, out: Path, **more: Any) -> adapting.AdaptedEncoder:
        given.update(more, labels=labels, out=out)
        return adapting.AdaptedEncoder(Path(out), card, ("1 of 3 questions brought no usable answer",))

    monkeypatch.setattr(adapting, "adapt", tune)
    told = command_line.invoke(
        "adapt", "labelled", "--out", "kept", "--llm", "m", "--max-calls", "5", "--json"
    )
    assert json.loads(told.out)["right_after"] == after
    assert "Right of 4 images held out: 25.0% before" in told.err
    assert ("brings nothing here" in told.err) == nothing
    assert "--clip kept" in told.err
    assert "no usable answer" in told.err
    assert (given["llm"], given["limits"].max_calls, given["method"]) == ("m", 5, "adapt-labels")


def test_labels_that_are_not_there_and_no_model_are_told_at_once(command_line: CommandLine) -> None:
    told = command_line.invoke("adapt", "nowhere", "--out", "kept")
    assert "'nowhere' does not exist" in told.err
    assert "--llm" in told.err


def test_the_next_classes_are_named(command_line: CommandLine) -> None:
    (command_line.folder / "classes.txt").write_text("wren\nrobin\nheron\n")
    rows = "child,parent\nwren,small\nrobin,small\nheron,tall\nsmall,bird\ntall,bird\n"
    (command_line.folder / "tree.csv").write_text(rows)
    told = command_line.invoke(
        "next-class", "classes.txt", "--labelled", "wren", "--tree", "tree.csv", "--count", "1", "--json"
    )
    assert json.loads(told.out)["next"] == [
        {"class_name": "heron", "reach": 2, "nearest": "wren", "distance": 4.0}
    ]
    assert "1. heron: nearest with labels is wren (4 away); then 2 classes can be named" in told.err
