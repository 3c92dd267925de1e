"""The cache commands count, check and clear what is kept."""

import dataclasses
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from fieldmark.cache.bytestore import open_byte_store
from fieldmark.cache.vectorstore import open_vector_store
from tests.command_line import CommandLine
from tests.servers import RedisServer, free_port


@pytest.fixture
def kept(command_line: CommandLine) -> CommandLine:
    """Two answers, an adapter, three vectors of one model and one of another, one picture."""
    for name, keys in (("answers", "ab"), ("adapters", "a")):
        with open_byte_store(command_line.home / name) as store:
            for key in keys:
                store.put(key, b"{}", schema="x/1")
    for name, width, keys in (("one", 4, "abc"), ("two", 8, "a")):
        with open_vector_store(command_line.home / "vectors" / name, width=width) as vectors:
            vectors.put_many(list(keys), np.ones((len(keys), width), np.float16))
    picture = command_line.home / "aviary" / "set" / "0001.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"jpg")
    return command_line


def spoil(command_line: CommandLine) -> None:
    """Tamper with an answer and an adapter, and tear a row."""
    for name in ("answers", "adapters"):
        with sqlite3.connect(command_line.home / name / "cache.db") as database:
            database.execute("UPDATE Cache SET value = x'00' WHERE key = 'a'")
        database.close()
    rows = next((command_line.home / "vectors" / "one").glob("rows.*.f16"))
    rows.write_bytes(rows.read_bytes()[:-1])


def test_stats(kept: CommandLine) -> None:
    said = kept.invoke("cache", "stats", "--json").json
    assert said["schema"] == "fieldmark.cache-stats/1"
    assert [(each["kind"], each["name"], each["entries"]) for each in said["stores"]] == [
        ("answers", "of all models", 2),
        ("vectors", "one", 3),
        ("vectors", "two", 1),
        ("adapters", "as tuned", 1),
        ("pictures", "of the aviary", 1),
    ]
    assert str(kept.home) in kept.invoke("cache", "stats").out


def test_verify_of_a_sound_cache(kept: CommandLine) -> None:
    outcome = kept.invoke("cache", "verify", "--json")
    assert (outcome.code, outcome.json["ok"]) == (0, True)


def test_verify_names_bad_entries_and_changes_nothing(kept: CommandLine) -> None:
    spoil(kept)
    for _ in range(2):
        outcome = kept.invoke("cache", "verify", "--json")
        assert outcome.code == 1
        bad = {(each["kind"], each["name"]): len(each["bad"]) for each in outcome.json["stores"]}
        assert bad == {
            ("answers", "of all models"): 1, ("vectors", "one"): 1, ("vectors", "two"): 0,
            ("adapters", "as tuned"): 1,
        }  # fmt: skip
    said = kept.invoke("cache", "verify")
    assert said.code == 1
    assert "vectors one: 3 checked, 1 bad\n  c: the row is missing, torn or changed" in said.out


def test_prune_takes_old_answers_and_adapters_alone(kept: CommandLine) -> None:
    assert kept.invoke("cache", "prune", "--days", 1, "--yes", "--json").json["removed"] == 0
    assert kept.invoke("cache", "prune", "--days", 0, "--yes", "--json").json["removed"] == 3
    left = kept.invoke("cache", "stats", "--json").json["stores"]
    assert [each["entries"] for each in left] == [0, 3, 1, 0, 1]
    assert kept.invoke("cache", "prune", "--yes").code == 2
    assert kept.invoke("cache", "prune", "--days", -1, "--yes").code == 2


def test_clear_asks_first(kept: CommandLine) -> None:
    outcome = kept.invoke("cache", "clear")
    assert outcome.code == 2
    assert "will be paid for again? Nobody is there to answer." in outcome.err
    assert "Give --yes." in outcome.err
    assert kept.invoke("cache", "stats", "--json").json["stores"][0]["entries"] == 2


@pytest.mark.parametrize(
    ("only", "left"),
    [
        ((), [0, 0, 0, 0, 0]),
        (("--only", "answers"), [0, 3, 1, 1, 1]),
        (("--only", "vectors"), [2, 0, 0, 1, 1]),
        (("--only", "adapters"), [2, 3, 1, 0, 1]),
        (("--only", "pictures"), [2, 3, 1, 1, 0]),
    ],
)
def test_clear(kept: CommandLine, only: tuple[str, ...], left: list[int]) -> None:
    assert kept.invoke("cache", "clear", "--yes", *only).code == 0
    stores = kept.invoke("cache", "stats", "--json").json["stores"]
    assert [each["entries"] for each in stores] == left


def test_an_empty_home(command_line: CommandLine) -> None:
    assert command_line.invoke("cache", "verify").code == 0
    assert command_line.invoke("cache", "clear", "--yes", "--json").json["removed"] == {
        "answers of all models": 0
    }


def test_a_store_that_is_none_is_a_sentence(kept: CommandLine) -> None:
    (kept.home / "vectors" / "one" / "index.sqlite").write_bytes(b"no database" * 100)
    outcome = kept.invoke("cache", "stats")
    assert outcome.code == 2
    assert "cannot be used" in outcome.err
    assert "Traceback" not in outcome.err


def test_answers_at_a_server_are_said_counted_and_removed_there(kept: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    with RedisServer(folder, password="s3cret") as server:
        place = dataclasses.replace(kept, more={"FIELDMARK_CACHE": server.url})
        shown = f"redis://127.0.0.1:{server.port}/0"
        server.client().set("another's", "stays")
        outcomes = [place.invoke("cache", "stats")]
        assert shown in outcomes[0].err + outcomes[0].out
        stats = place.invoke("cache", "stats", "--json").json
        assert (stats["answers"], stats["stores"][0]["entries"]) == (shown, 0)
        outcomes += [place.invoke("cache", "clear"), place.invoke("config", "show"), place.invoke("doctor")]
        assert f"from {shown}; answers that were paid for" in outcomes[1].err
        assert shown in outcomes[2].out + outcomes[2].err
        assert f"answers at {shown}: 0 answers" in outcomes[3].out
        server.client().config_set("appendonly", "no")
        outcomes += [place.invoke("doctor"), place.invoke("cache", "verify")]
        assert "Set appendonly to yes there" in outcomes[4].out
        assert place.invoke("cache", "clear", "--yes", "--only", "answers").code == 0
        assert server.client().dbsize() == 1
        assert "s3cret" not in "".join(each.out + each.err for each in outcomes)
    assert kept.invoke("cache", "stats", "--json").json["stores"][0]["entries"] == 2


@pytest.mark.parametrize(
    ("url", "says"),
    [("redis://:s3cret@", "FIELDMARK_CACHE is no address"), ("redis://127.0.0.1:{port}", "cannot be used")],
)
def test_a_server_that_cannot_be_used_is_a_sentence(kept: CommandLine, url: str, says: str) -> None:
    place = dataclasses.replace(kept, more={"FIELDMARK_CACHE": url.format(port=free_port())})
    outcome = place.invoke("cache", "stats")
    assert outcome.code == 2
    assert says in outcome.err
    assert "s3cret" not in outcome.err
