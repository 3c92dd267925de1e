"""The runs behind a table: its own, or those of the folders that were joined in it."""

from pathlib import Path

import pytest

from fieldmark.errors import RunError
from fieldmark.evals.table.join import runs_behind
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.evals.report.tables_to_report import run, truth


def measured(parent: Path, key: str) -> RunFolder:
    folder = RunFolder.create(parent, kind="eval", options={})
    inside = RunFolder(folder.path / "methods" / "new")
    inside.write("test.json", truth())
    inside.write(f"{key}-0.json", run(key, (0,)))
    return folder


def test_of_one_evaluation_and_of_several(tmp_path: Path) -> None:
    first, second = measured(tmp_path, "base"), measured(tmp_path, "words")
    assert [each.method for each in runs_behind(first)[0].runs] == ["base"]
    both = {"runs": [str(first.path), str(second.path)]}
    joined = RunFolder.create(tmp_path, kind="eval-table", options=dict(both))
    (found,) = runs_behind(joined)
    assert [each.method for each in found.runs] == ["base", "words"]


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    joined = RunFolder.create(tmp_path, kind="eval-table", options={"runs": [str(tmp_path / "gone")]})
    with pytest.raises(RunError, match="gone"):
        runs_behind(joined)
