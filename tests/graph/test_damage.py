"""Whatever happens to the files of a run, a person hears a sentence that names the file and the way on."""

import errno
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fieldmark.agents.shared.checkpoints import open_checkpoint
from fieldmark.app.classifier import Classifier
from fieldmark.errors import FieldmarkError, LimitReached, RunError
from fieldmark.evals.report.classify import write_classify_report
from fieldmark.records import UsageLimits
from fieldmark.tools.runs import folder as run_folder
from fieldmark.tools.runs.folder import RunFolder
from tests.graph.classifying import WORLD, draw
from tests.graph.running import options
from tests.graph.world import FakeEncoder, FakeModel

ABSURD = (b"1e308", b"-1", b"99999999999999999999", b"NaN", b"1e400", b'"x"', b"null", b"[]")


def resolver(home: Path, *, run: Path | None = None, calls: int | None = None) -> Classifier:
    given = {"clip": FakeEncoder(WORLD), "llm": FakeModel(WORLD), "home": home}
    if run is not None:
        return Classifier.from_run(str(run), out=run.parent, **given)
    return Classifier(
        classes=WORLD.names,
        noun="bird",
        options=options(max_rounds=1),
        limits=UsageLimits(max_calls=calls),
        out=home / "runs",
        **given,
    )


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that a limit stopped while it was asking."""
    home = tmp_path_factory.mktemp("stopped")
    images = draw(home / "pictures", [(number, 0) for number in range(6)])
    try:
        run = resolver(home, calls=8).resolve(images).run
    except LimitReached:
        [run] = (home / "runs").iterdir()
    assert (run / "checkpoint.sqlite").stat().st_size > 0
    return run


def flipped(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice([1, 8, 64])):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def truncated(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def goes_on_or_says_why(run: Path, home: Path) -> str:
    """What was said, naming the file's place; empty where the run went on."""
    try:
        found = resolver(home, run=run).resolve()
        write_classify_report(RunFolder(run), found.manifest)
    except FieldmarkError as error:  # anything else is a traceback
        assert error.message
        return str(error)
    return ""


@pytest.mark.parametrize("spoil", [flipped, truncated], ids=["flipped", "truncated"])
@pytest.mark.parametrize(
    "name", ["checkpoint.sqlite", "config.json", "manifest.json", "events.jsonl", "book.json", "arrays"]
)
def test_damage_is_a_sentence(
    name: str, spoil: Callable[[bytes, random.Random], bytes], stopped: Path, tmp_path: Path
) -> None:
    draws = random.Random(f"{name} {spoil.__name__}")
    for number in range(4):
        run = tmp_path / str(number) / stopped.name
        shutil.copytree(stopped, run)
        files: Sequence[Path] = sorted((run / "arrays").iterdir()) if name == "arrays" else [run / name]
        if not files:
            return
        file = draws.choice(files)
        file.write_bytes(spoil(file.read_bytes(), draws))
        goes_on_or_says_why(run, tmp_path / "home")


def test_a_value_of_the_checkpoint_that_changed_is_never_gone_on_with(stopped: Path, tmp_path: Path) -> None:
    run = tmp_path / stopped.name
    shutil.copytree(stopped, run)
    with sqlite3.connect(run / "checkpoint.sqlite") as database:
        for row, blob in database.execute("select rowid, checkpoint from checkpoints").fetchall():
            changed = bytearray(blob)
            changed[len(changed) // 2] ^= 1
            database.execute("update checkpoints set checkpoint = ? where rowid = ?", (bytes(changed), row))
    said = goes_on_or_says_why(run, tmp_path / "home")
    assert "checkpoint.sqlite' is damaged" in said
    assert "Move it aside and go on" in said
    (run / "checkpoint.sqlite").unlink()
    assert goes_on_or_says_why(run, tmp_path / "home") == ""


def test_absurd_numbers_in_the_configuration_are_refused(stopped: Path, tmp_path: Path) -> None:
    text = (stopped / "config.json").read_bytes()
    for field in (b"max_rounds", b"temperature", b"tau", b"max_calls", b"group_size", b"descriptor_samples"):
        start = text.find(b'"' + field + b'": ')
        if start < 0:
            continue
        at = start + len(field) + 4
        end = min(place for mark in b",\n" if (place := text.find(mark, at)) >= 0)
        for number, value in enumerate(ABSURD):
            run = tmp_path / f"{field.decode()}-{number}" / stopped.name
            shutil.copytree(stopped, run)
            (run / "config.json").write_bytes(text[:at] + value + text[end:])
            goes_on_or_says_why(run, tmp_path / "home")


def test_a_full_disk_is_said_with_the_file_and_the_way_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder.create(tmp_path, kind="classify", options={})

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_folder, "write_whole", full)
    for write in (lambda: run.write_predictions([]), lambda: run.write("config.json", run.config)):
        with pytest.raises(
            RunError, match=r"No space left on device\. Make room on the disk .* go on"
        ) as told:
            write()
        assert str(run.path) in told.value.message


async def test_a_full_disk_under_the_checkpoint_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"c\.sqlite' cannot be used: database or disk is full\. Make room"):
        async with open_checkpoint(tmp_path / "c.sqlite", holds=()):
            raise sqlite3.OperationalError("database or disk is full")


def test_a_line_of_predictions_that_is_damaged_is_named(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, kind="classify", options={})
    (run.path / "predictions.jsonl").write_bytes(b"\n{\xff}\n")
    with pytest.raises(RunError, match=r"Line 2 of .*predictions\.jsonl' is no prediction"):
        list(run.read_predictions())


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1"])
def test_a_manifest_with_numbers_that_are_none_is_said(value: str, stopped: Path, tmp_path: Path) -> None:
    run = tmp_path / stopped.name
    shutil.copytree(stopped, run)
    text = (run / "manifest.json").read_text(encoding="utf-8")
    changed = re.sub(r'"seconds": [^,\n}]+', f'"seconds": {value}', text)
    assert changed != text
    (run / "manifest.json").write_text(changed, encoding="utf-8")
    assert "manifest.json' cannot be read" in goes_on_or_says_why(run, tmp_path / "home")
