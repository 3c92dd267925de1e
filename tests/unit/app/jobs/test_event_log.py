"""What a job tells is kept as lines; the file stays small, and half a line spoils no other."""

from pathlib import Path

import pytest

from fieldmark.app.jobs import event_log
from fieldmark.app.jobs.event_log import EventLog, ToldEvent, read_told
from fieldmark.app.jobs.stages import stages_of
from fieldmark.tools.runs.concept_events import HeadsFitted, ImagesJudged, VerdictsReady
from fieldmark.tools.runs.events import EncodingStarted, QuestionAnswered


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_events_come_back_as_they_were(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    told = [
        EncodingStarted(images=3, texts=1),
        HeadsFitted(done=1, of=2, purpose="final"),
        VerdictsReady(images=2, calls={"in": 1, "out": 1}),
    ]
    for each in told:
        log(each)
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"at": 1, "event": "ImagesJudged", "done"')
    assert [each.event for each in read_told(tmp_path / "events.jsonl")] == told


@pytest.mark.parametrize(
    "line",
    ['{"at": 1}', '{"at": "x", "event": "ImagesJudged", "done": 1, "of": 2}', "[]", "nothing",
     '{"at": 1, "event": "NoSuch"}', '{"at": 1, "event": "ImagesJudged", "done": "x", "of": 2}'],
)  # fmt: skip
def test_lines_that_are_no_events_are_passed_over(tmp_path: Path, line: str) -> None:
    (tmp_path / "events.jsonl").write_text(f"{line}\n")
    assert list(read_told(tmp_path / "events.jsonl")) == []


def test_steps_in_quick_succession_are_passed_over_but_for_the_last(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl", clock=lambda: 7.0)
    for done in range(1, 101):
        log(ImagesJudged(done=done, of=100))
    assert [each.event.done for each in read_told(tmp_path / "events.jsonl")] == [1, 100]  # type: ignore[attr-defined]


def test_the_file_stays_small_and_no_stage_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "MOST_BYTES", 4000)
    log = EventLog(tmp_path / "events.jsonl", clock=Clock())
    log(EncodingStarted(images=1, texts=0))
    for done in range(1, 2001):
        log(ImagesJudged(done=done, of=2000))
        assert (tmp_path / "events.jsonl").stat().st_size <= 4000
    parts = stages_of(read_told(tmp_path / "events.jsonl")).parts
    assert [(part.words, part.done) for part in parts] == [
        ("Looking at the images", 0),
        ("Judging images by the definition", 2000),
    ]
    for number in range(2000):  # kinds that take turns: the oldest go
        log(HeadsFitted(done=1, of=2, purpose="final") if number % 2 else EncodingStarted(images=1, texts=0))
        assert (tmp_path / "events.jsonl").stat().st_size <= 4000


def test_the_time_left_goes_by_the_speed_of_what_was_not_kept() -> None:
    # Nine hundred come at once from the cache; then one takes two seconds.
    told = [ToldEvent(at=0.0, event=ImagesJudged(done=900, of=1000))]
    told += [ToldEvent(at=2.0 * n, event=ImagesJudged(done=900 + n, of=1000)) for n in range(1, 11)]
    assert stages_of(told).parts[-1].left_s == pytest.approx(180.0)
    assert stages_of(told[:2]).parts[-1].left_s is None


def test_a_count_that_begins_anew_stays_the_same_part_until_other_work_comes() -> None:
    told = [
        ToldEvent(at=1.0, event=ImagesJudged(done=5, of=5)),
        ToldEvent(at=2.0, event=ImagesJudged(done=1, of=3)),
    ]
    told.append(ToldEvent(at=3.0, event=QuestionAnswered(kind="scope", classes=(), cached=False)))
    assert [(part.words, part.done, part.of) for part in stages_of(told).parts] == [
        ("Judging images by the definition", 1, 3),
        ("Asking the language model", 1, None),
    ]
