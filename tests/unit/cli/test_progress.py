"""Events become a few plain lines where there is no terminal, and never more."""

import io
from typing import Any

import pytest

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.terminal import PlainConsole

TRIAGED = {
    "round": 0,
    "questions": 0,
    "resolved": 3,
    "open": 5,
    "rejected": 0,
    "candidates": 9,
    "attributes": 0,
}
RUN: list[tuple[str, dict[str, Any]]] = [
    ("run", {"id": "x", "path": "runs/x"}),
    *[("answered", {"kind": "describe", "classes": [name], "cached": False}) for name in "abcdefgh"],
    (
        "failed",
        {"kind": "describe", "classes": ["i"], "reason": "refused: the model declined", "code": "refused"},
    ),
    ("encoding", {"images": 8, "texts": 40}),
    ("triaged", TRIAGED),
    ("planned", {"round": 1, "questions": 2}),
    *[("answered", {"kind": "group", "classes": list("ab"), "cached": True})] * 2,
    ("triaged", {**TRIAGED, "round": 1, "questions": 2, "resolved": 7, "open": 0, "rejected": 1}),
]


def test_lines_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress("Loading") as progress:
        for event, fields in RUN:
            progress(event, fields)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "Run: runs/x",
        "Asking for the marks of each class …",
        "Encoding 8 images and 40 texts …",
        "First look: 3 resolved, 5 open",
        "Round 1: 7 resolved, 0 open, 1 rejected (follow-up questions so far: 2)",
    ]
    assert str(progress.run) == "runs/x"
    assert progress.failures == {"refused": 1}


def test_a_fold_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress("Loading") as progress:
        for number in (1, 2):
            for search in (1, 2, 3):
                progress("fold", {"number": number, "of": 2, "search": search, "searches": 3})
    assert capsys.readouterr().err.splitlines() == ["Fold 1 of 2 …", "Fold 2 of 2 …"]


def test_of_a_ladder_only_the_loop_tells_its_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress("Loading") as progress:
        progress("world", {"number": 1, "of": 1, "seed": 7})
        for done in (25, 50):
            progress("rendering", {"done": done, "of": 50})
        for rung in ("resolve", "fudd"):
            progress("rung", {"name": rung})
            progress("triaged", TRIAGED)
        progress("robustness", {})
        progress("triaged", TRIAGED)
    assert capsys.readouterr().err.splitlines() == [
        "Drawing pictures …",
        "Rung: the resolve loop …",
        "First look: 3 resolved, 5 open",
        "Rung: FuDD: all pairs of the ten best …",
        "Checking a smaller pool, and one image at a time …",
    ]


def test_an_unknown_event_and_an_unknown_rung_are_no_accident(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress("Loading") as progress:
        progress("unheard_of", {"x": 1})
        progress("rung", {"name": "[bold]new[/]"})
    assert capsys.readouterr().err.splitlines() == ["Rung: [bold]new[/] …"]


def test_a_terminal_gets_a_bar_with_counts_that_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = PlainConsole(file=screen, force_terminal=True, width=100, markup=False)
    monkeypatch.setattr("fieldmark.cli.progress.errors", lambda: console)
    with TerminalProgress("Loading") as progress:
        progress.classes = 9
        for event, fields in RUN:
            progress(event, fields)
            if progress._bar is not None:
                progress._bar.refresh()
    shown = screen.getvalue()
    assert "Asking for the marks of each class: 3 of 9" in shown
    assert "Asking about rivals: 2 of 2" in shown
    assert "First look: 3 resolved, 5 open" in shown
    assert shown.endswith("\x1b[2K")  # the last line is wiped
    progress.stop()
