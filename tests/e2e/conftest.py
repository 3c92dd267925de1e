"""A command line in a folder of its own, with nothing configured."""

from pathlib import Path

import pytest

from tests.command_line import CommandLine


@pytest.fixture
def command_line(tmp_path: Path) -> CommandLine:
    folder = tmp_path / "here"
    folder.mkdir()
    return CommandLine(folder, tmp_path / "home", {})
