"""Checkpoints at a PostgreSQL server: where they are, and what is said when it is not there."""

import asyncio
import dataclasses
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from PIL import Image

from fieldmark.agents.resolve.learning import last_state
from fieldmark.agents.shared.checkpoints import open_checkpoint
from fieldmark.agents.shared.postgres import read_postgres
from fieldmark.app.event_loop import run_to_end
from fieldmark.errors import RunError, SettingsError
from fieldmark.tools.runs.checkpoint_name import has_checkpoint, stands_for
from fieldmark.tools.runs.folder import RunFolder
from tests.command_line import CommandLine
from tests.faulty_endpoint import FaultyEndpoint
from tests.graph.crash import go, truly
from tests.graph.tampering import psycopg_connection
from tests.servers import PostgresServer, free_port


@pytest.fixture
def set_there(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> PostgresServer:
    monkeypatch.setenv("FIELDMARK_CHECKPOINTS", postgres.url)
    return postgres


def test_a_run_stays_where_it_began(
    tmp_path: Path, set_there: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        run_to_end(go(tmp_path / "there", endpoint.base_url, most=5))
        monkeypatch.delenv("FIELDMARK_CHECKPOINTS")
        run_to_end(go(tmp_path / "here", endpoint.base_url, most=5))
        with pytest.raises(RunError, match="lies at a PostgreSQL server, and none is set") as said:
            run_to_end(go(tmp_path / "there", endpoint.base_url))
        assert "FIELDMARK_CHECKPOINTS" in said.value.hint
        monkeypatch.setenv("FIELDMARK_CHECKPOINTS", set_there.url)
        for name in ("there", "here"):
            assert run_to_end(go(tmp_path / name, endpoint.base_url)).state.stop_reason == "max_rounds"
    files = {name: {each.name for each in (tmp_path / name / "run").iterdir()} for name in ("there", "here")}
    assert ("checkpoint.postgres" in files["there"], "checkpoint.sqlite" in files["there"]) == (True, False)
    assert ("checkpoint.postgres" in files["here"], "checkpoint.sqlite" in files["here"]) == (False, True)
    there = RunFolder(tmp_path / "there" / "run")
    assert run_to_end(last_state(there, server=read_postgres(set_there.url))).stop_reason == "max_rounds"


@pytest.mark.usefixtures("set_there")
def test_a_value_that_changed_at_the_server_is_never_gone_on_with(tmp_path: Path) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        run_to_end(go(tmp_path, endpoint.base_url, most=18))
        name = stands_for(tmp_path / "run" / "checkpoint.sqlite").read_text()
        with psycopg_connection() as database:
            database.execute(
                "update checkpoint_blobs set blob = set_byte(blob, 20, 255 - get_byte(blob, 20)) "
                "where thread_id like %s and length(blob) > 20",
                (name + "/%",),
            )
        with pytest.raises(RunError, match="is damaged, or of another version"):
            run_to_end(go(tmp_path, endpoint.base_url))
        (tmp_path / "run" / "checkpoint.postgres").write_text("../" * 9)
        with pytest.raises(RunError, match="does not name a checkpoint"):
            run_to_end(go(tmp_path, endpoint.base_url))


# ---------------------------------------------------------------- a server of one's own


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Generator[PostgresServer]:
    with PostgresServer() as server:
        monkeypatch.setenv("FIELDMARK_CHECKPOINTS", server.url)
        yield server


def test_many_may_make_the_tables_at_the_same_moment(tmp_path: Path, own: PostgresServer) -> None:
    async def one(number: int) -> None:
        path = tmp_path / str(number) / "c.sqlite"
        async with open_checkpoint(path, holds=(), server=read_postgres(own.url)) as kept:
            assert await kept.saver.aget(kept.config("thread")) is None
        assert has_checkpoint(path)

    async def all_of_them() -> None:
        await asyncio.wait_for(asyncio.gather(*map(one, range(8))), 120)

    run_to_end(all_of_them())


def test_a_server_that_dies_is_a_sentence_and_the_run_goes_on_with_it(
    tmp_path: Path, own: PostgresServer
) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        whole = run_to_end(go(tmp_path / "whole", endpoint.base_url))

    def deadly(request: object) -> object:
        if endpoint.asked == 20:
            own.kill()
        return truly(request)  # pyright: ignore

    with FaultyEndpoint([deadly]) as endpoint:  # pyright: ignore
        with pytest.raises(RunError, match=r"checkpoint at postgresql://127\.0\.0\.1:\d+/postgres cannot"):
            run_to_end(go(tmp_path / "run", endpoint.base_url))
        own.start()
        asked = endpoint.asked
        ran = run_to_end(go(tmp_path / "run", endpoint.base_url))
        assert endpoint.asked - asked <= len(whole.notebook.notes) - 19
    assert ran.raw == whole.raw


@pytest.mark.parametrize(("password", "state"), [("", "ok"), ("n0t-it", "broken")])
def test_the_doctor_looks_at_the_server(
    command_line: CommandLine, postgres: PostgresServer, password: str, state: str
) -> None:
    url = postgres.url.replace(postgres.password, password or postgres.password)
    place = dataclasses.replace(command_line, more={"FIELDMARK_CHECKPOINTS": url})
    outcome = place.invoke("doctor", "--json")
    (found,) = (each for each in outcome.json["checks"] if each["name"] == "checkpoints")
    assert found["state"] == state
    assert f"postgresql://127.0.0.1:{postgres.port}/postgres" in found["says"]
    shown = place.invoke("config", "show")
    for text in (outcome.out, outcome.err, shown.out, shown.err):
        assert "n0t-it" not in text
        assert postgres.password not in text


def test_a_password_is_never_shown(tmp_path: Path, postgres: PostgresServer) -> None:
    said: list[str] = []
    for url in (
        postgres.url.replace(postgres.password, "n0t-it"),
        f"postgresql://tester:n0t-it@127.0.0.1:{free_port()}/postgres",
    ):
        server = read_postgres(url)

        async def look() -> None:
            async with open_checkpoint(tmp_path / "c.sqlite", holds=(), server=server):  # noqa: B023
                pass

        with pytest.raises(RunError, match="cannot be used") as refused:
            run_to_end(look())
        said += [str(refused.value), repr(server)]
    with pytest.raises(SettingsError) as none:
        read_postgres("postgresql://tester:n0t-it@h/db?password=n0t-it")
    with pytest.raises(SettingsError) as neither:
        read_postgres("mysql://tester:n0t-it@h/db")
    said += [str(none.value), str(neither.value)]
    assert "n0t-it" not in "".join(said)
    assert os.environ.get("FIELDMARK_CHECKPOINTS") is None


@pytest.mark.parametrize("command", [("classify", "--classes", "a,b"), ("optimize",)])
def test_a_server_that_is_not_there_leaves_no_run_behind(
    command_line: CommandLine, tmp_path: Path, command: tuple[str, ...]
) -> None:
    for at in range(4):
        folder = tmp_path / "birds" / "ab"[at % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (at, 0, 0)).save(folder / f"{at}.png")
    with FaultyEndpoint([truly]) as endpoint:
        settings = {
            "FIELDMARK_CHECKPOINTS": f"postgresql://127.0.0.1:{free_port()}/postgres",
            "FIELDMARK_LLM": "test-model",
            "FIELDMARK_CLIP": "aviary",
            "OPENAI_BASE_URL": endpoint.base_url,
        }
        outcome = dataclasses.replace(command_line, more=settings).invoke(
            command[0], tmp_path / "birds", *command[1:]
        )
        assert endpoint.asked == 0
    assert outcome.code == 2
    assert "FIELDMARK_CHECKPOINTS" in outcome.err
    assert not (command_line.folder / "runs").exists()
