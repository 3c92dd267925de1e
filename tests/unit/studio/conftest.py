"""A run, and a visitor who looks at it."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fieldmark.tools.runs.folder import RunFolder
from tests.unit.studio.studio_runs import desk_for, made_run, visitor


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return made_run(tmp_path / "runs", tmp_path / "pictures")


@pytest.fixture
def client(run: RunFolder, tmp_path: Path) -> TestClient:
    return visitor(desk_for(tmp_path))
