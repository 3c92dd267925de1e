"""Where the classifier's tests find pictures and leave runs."""

from collections.abc import Generator
from pathlib import Path

import pytest

from fieldmark.agents.define.run import Sitting
from fieldmark.app.stores import Stores
from tests.graph.classifying import WORLD, draw
from tests.graph.define_talk import talk
from tests.graph.define_world import Scene, scene
from tests.graph.world import FakeEncoder
from tests.servers import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["file", "postgres"])
def checkpoints(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where checkpoints lie, as the settings say it: "" for the run's folder."""
    if request.param == "file":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres")
    monkeypatch.setenv("FIELDMARK_CHECKPOINTS", server.url)
    return server.url


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return draw(tmp_path / "pictures", [(number, copy) for number in range(6) for copy in range(2)])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs go; the encoder is the made-up one."""
    monkeypatch.setattr(Stores, "encoder", lambda stores, spec, *, device: FakeEncoder(WORLD))
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, Sitting]:
    """A conversation from beginning to end."""
    at = scene(tmp_path_factory.mktemp("whole"))
    return at, talk(at)
