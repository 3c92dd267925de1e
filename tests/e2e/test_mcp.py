"""`fieldmark mcp`: the protocol's own client reads runs, predicts and labels, and reaches nothing else."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from fieldmark.mcp.reach import Reach
from fieldmark.mcp.server import server_of
from tests.command_line import CommandLine
from tests.e2e.classifying import SPECIES, at, draw_birds
from tests.faulty_endpoint import FaultyEndpoint

IMAGES = 5


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn data set."""
    return draw_birds(tmp_path_factory, species=SPECIES, images=IMAGES)


@pytest.fixture
def place(command_line: CommandLine, endpoint: FaultyEndpoint) -> CommandLine:
    return at(endpoint, command_line)


@pytest.fixture
def run(place: CommandLine, birds: Path) -> str:
    outcome = place.invoke(
        "classify", birds, "--classes", birds / "classes.txt", "--max-rounds", 1, "--no-report", "--json"
    )
    assert outcome.code == 0, outcome.err
    return Path(outcome.json["run"]).name


def client_of(place: CommandLine, root: Path, *, write: bool = False) -> Client:
    reach = Reach(root=root, runs=place.folder / "runs", home=place.home, max_calls=50)
    return Client(server_of(reach, write=write))


async def asked(client: Client, tool: str, **given: object) -> Any:
    result = await client.call_tool(tool, given)
    assert not result.is_error, result.content
    return result.structured_content


async def refused(client: Client, tool: str, **given: object) -> str:
    result = await client.call_tool(tool, given)
    assert result.is_error
    return str(result.content)


async def test_a_run_is_read_and_explained(place: CommandLine, birds: Path, run: str) -> None:
    async with client_of(place, birds) as client:
        listed = await asked(client, "list_runs")
        assert [each["run_id"] for each in listed["runs"]] == [run]
        page = await asked(client, "read_run", run=run, order="sure")
        assert sum(page["counts"].values()) == SPECIES * IMAGES
        first = page["images"][0]
        why = await asked(client, "explain", run=run, image=first["image"])
        assert why == await asked(client, "explain", run=run, image=first["image_hash"])
        assert sum(each["weight"] for each in why["marks"]) + why["rest"] == pytest.approx(
            why["margin"], abs=0.01
        )
        for number in (-1, 10**30):
            assert "page: " in await refused(client, "read_run", run=run, page=number)
        assert "no run" in await refused(client, "read_run", run="../" + run)
        assert "no such image" in await refused(client, "explain", run=run, image="/etc/passwd")
        assert (await asked(client, "list_concepts"))["concepts"] == []
        assert "no concept" in await refused(client, "read_concept", name="../../x")


@pytest.fixture
def root(place: CommandLine, birds: Path, run: str, tmp_path: Path) -> Path:
    """A folder with an export, three images of one species, and a link that leads out of it."""
    root = tmp_path / "root"
    assert place.invoke("export", run, "--out", root / "taken").code == 0
    pictures = sorted(birds.rglob("*.jpg"))
    (root / "birds").mkdir()
    for picture in pictures[:3]:
        shutil.copy(picture, root / "birds")
    shutil.copy(pictures[3], tmp_path / "private.jpg")
    (root / "birds" / "link.jpg").symlink_to(tmp_path / "private.jpg")
    return root


async def test_nothing_outside_of_the_root_is_reached(place: CommandLine, root: Path) -> None:
    private = str(root.parent / "private.jpg")
    async with client_of(place, root) as client:
        found = await asked(client, "predict", export="taken", paths=["birds"])
        assert len(found["result"]["images"]) == 3
        for path in (private, "../private.jpg", "birds/link.jpg", "nothing.jpg", "a\0b", "/etc", "x" * 5000):
            assert "is not in" in await refused(client, "predict", export="taken", paths=[path])
        assert "is not in" in await refused(client, "predict", export="/etc", paths=["birds"])
        assert "paths in one call" in await refused(client, "predict", export="taken", paths=["x"] * 101)


async def test_only_with_leave_is_anything_changed_or_asked(
    place: CommandLine, birds: Path, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of(place, birds) as client:
        tools = {each.name: each.annotations for each in (await client.list_tools()).tools}
        assert all(each is not None and each.read_only_hint for each in tools.values())
        assert {"label_image", "classify"}.isdisjoint(tools)
        assert (await client.call_tool("label_image", {})).is_error
    for name, value in place.more.items():
        monkeypatch.setenv(name, value)
    async with client_of(place, birds, write=True) as client:
        page = await asked(client, "read_run", run=run)
        image, name = page["images"][0]["image_hash"], page["classes"][1]
        said = await asked(client, "label_image", run=run, image_hash=image, answer=name)
        assert said["said"] == name
        none = await asked(client, "label_image", run=run, image_hash=image, answer="none of these")
        assert none["said"] == "none of these"
        assert "none of the run's classes" in await refused(
            client, "label_image", run=run, image_hash=image, answer="a fish"
        )
        classes = list(page["classes"])[:3]
        again = await asked(client, "classify", paths=classes, classes=classes, noun="bird")
        assert sum(again["statuses"].values()) == 3 * IMAGES
        assert len((await asked(client, "list_runs"))["runs"]) == 2


async def test_the_command_serves_over_standard_input_and_output(
    place: CommandLine, birds: Path, run: str
) -> None:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "fieldmark", "mcp", "--root", str(birds)],
        env=place.environment,
        cwd=place.folder,
    )
    async with Client(server) as client:
        listed = await asked(client, "list_runs")
        assert [each["run_id"] for each in listed["runs"]] == [run], json.dumps(listed)
