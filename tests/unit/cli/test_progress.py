"""Events become a few plain lines where there is no terminal, and never more."""

import io
from pathlib import Path
from typing import Any

import pytest

from fieldmark.cli.concept.progress import Telling
from fieldmark.cli.progress import TerminalProgress, in_time
from fieldmark.cli.terminal import PlainConsole
from fieldmark.tools.runs.concept_events import ClassifierWriting, HeadsFitted
from fieldmark.tools.runs.events import (
    EncodingStarted,
    Event,
    FoldSearchStarted,
    GenerationScored,
    ImagesEncoded,
    PicturesDrawn,
    QuestionAnswered,
    RobustnessStarted,
    RoundPlanned,
    RoundSummary,
    RungStarted,
    RunOpened,
    StepFailed,
    WorldStarted,
)

TRIAGED = RoundSummary(round=0, questions=0, resolved=3, open=5, rejected=0, candidates=9)
RUN: tuple[Event, ...] = (
    RunOpened(path=Path("runs/x")),
    *(QuestionAnswered(kind="describe", classes=(name,), cached=False) for name in "abcdefgh"),
    StepFailed(kind="describe", classes=("i",), reason="refused: the model declined", code="refused"),
    EncodingStarted(images=8, texts=40),
    TRIAGED,
    RoundPlanned(round=1, questions=2),
    *[QuestionAnswered(kind="group", classes=("a", "b"), cached=True)] * 2,
    TRIAGED.model_copy(update={"round": 1, "questions": 2, "resolved": 7, "open": 0, "rejected": 1}),
)


def test_lines_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress("Loading") as progress:
        for event in RUN:
            progress(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "Run: runs/x",
        "Asking for the descriptors of each class …",
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
                progress(FoldSearchStarted(number=number, of=2, search=search, searches=3))
    assert capsys.readouterr().err.splitlines() == ["Fold 1 of 2 …", "Fold 2 of 2 …"]


def test_of_a_ladder_only_the_loop_tells_its_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress("Loading") as progress:
        progress(WorldStarted(number=1, of=1, seed=7))
        for done in (25, 50):
            progress(PicturesDrawn(done=done, of=50))
        for rung in ("resolve", "fudd"):
            progress(RungStarted(name=rung))
            progress(TRIAGED)
        progress(RobustnessStarted())
        progress(TRIAGED)
    assert capsys.readouterr().err.splitlines() == [
        "Drawing pictures …",
        "Rung: the resolve loop …",
        "First look: 3 resolved, 5 open",
        "Rung: FuDD: all pairs of the ten best …",
        "Checking a smaller pool, and one image at a time …",
    ]


def test_an_unknown_event_and_an_unknown_rung_are_no_accident(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress("Loading") as progress:
        progress(Event())
        progress(RungStarted(name="[bold]new[/]"))
    assert capsys.readouterr().err.splitlines() == ["Rung: [bold]new[/] …"]


def test_a_terminal_gets_a_bar_with_counts_that_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = PlainConsole(file=screen, force_terminal=True, width=100, markup=False)
    monkeypatch.setattr("fieldmark.cli.progress.errors", lambda: console)
    with TerminalProgress("Loading") as progress:
        progress.classes = 9
        for event in RUN:
            progress(event)
            if progress._bar is not None:
                progress._bar.refresh()
    shown = screen.getvalue()
    assert "Asking for the descriptors of each class: 3 of 9" in shown
    assert "Asking about rivals: 2 of 2" in shown
    assert "First look: 3 resolved, 5 open" in shown
    assert shown.endswith("\x1b[2K")  # the last line is wiped
    progress.stop()


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_off_a_terminal_long_stages_say_how_far_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with TerminalProgress("Loading", clock=clock) as progress:
        for done in range(1, 31):
            clock.now += 1
            progress(PicturesDrawn(done=done, of=300))
        progress(EncodingStarted(images=500, texts=2))
        for done in range(1, 12):
            clock.now += 2
            progress(ImagesEncoded(done=400 + done, of=500))
        progress(GenerationScored(**generation(1)))
        for number in range(2, 14):
            clock.now += 1
            progress(GenerationScored(**generation(number)))
    assert capsys.readouterr().err.splitlines() == [
        "Drawing pictures …",
        "Drawing pictures: 11 of 300, about 5 min left",
        "Drawing pictures: 21 of 300, about 5 min left",
        "Encoding 500 images and 2 texts …",
        # What was cached came at once, and says nothing about the speed.
        "Encoding 500 images and 2 texts: 405 of 500, about 3 min left",
        "Encoding 500 images and 2 texts: 410 of 500, about 3 min left",
        "Searching …",
        "Searching: generation 11, best fitness 1.00, 110 candidates (10/s), 5 texts encoded",
    ]


def generation(number: int) -> dict[str, Any]:
    return {
        "stage": "classes", "number": number, "fitness": 1.0, "candidates": 10 * number, "scored": 10,
        "texts": 5,
    }  # fmt: skip


def test_a_build_says_what_it_fits_for(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Telling("Loading", clock=clock) as progress:
        for purpose in ("unsure", "disputed", "final"):
            for done in (1, 2, 3):
                clock.now += 6
                progress(HeadsFitted(done=done, of=17, purpose=purpose))
        progress(ClassifierWriting())
    assert capsys.readouterr().err.splitlines() == [
        "Fitting heads, to see where they are unsure …",
        "Fitting heads, to see where they are unsure: 3 of 17, about 84 s left",
        "Fitting heads, to find what to argue about …",
        "Fitting heads, to find what to argue about: 3 of 17, about 84 s left",
        "Fitting the heads that compete …",
        "Fitting the heads that compete: 3 of 17, about 84 s left",
        "Writing the classifier …",
    ]


def test_a_bar_says_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, clock = io.StringIO(), Clock()
    console = PlainConsole(file=screen, force_terminal=True, width=120, markup=False)
    monkeypatch.setattr("fieldmark.cli.progress.errors", lambda: console)
    with TerminalProgress("Loading", clock=clock) as progress:
        for done in (1, 2):
            clock.now += 60
            progress(PicturesDrawn(done=done, of=200))
        assert progress._bar is not None
        progress._bar.refresh()
    assert "Drawing pictures: 2 of 200, about 3 h 18 min left" in screen.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89.4, "89 s"), (95, "2 min"), (5000, "83 min"), (12_000, "3 h 20 min")],
)
def test_time_in_words(seconds: float, words: str) -> None:
    assert in_time(seconds) == words
