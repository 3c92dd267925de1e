"""The history's lines are those of `json.dumps`, and a journal forgets what no checkpoint knows of."""

import json
from pathlib import Path

import pytest

from fieldmark.agents.optimize.history import Journal, history_lines
from fieldmark.cache.background_writer import BackgroundWriter
from fieldmark.errors import RunError
from fieldmark.tools.search.candidates import PromptEdit
from fieldmark.tools.search.generation import ScoredCandidate

ROWS = (
    ScoredCandidate(5, None, PromptEdit(0, (0, 2), (), 'name "bare" – é'), -1.25e-7, 1 / 3),
    ScoredCandidate((1 << 64) - 1, 5, PromptEdit(0, (), (1,), "remove"), 12.0, 1.0),
    ScoredCandidate(7, 5, None, 0.1 + 0.2, 0.0),
)


@pytest.mark.parametrize("names", [None, (30, 11, 4)])
def test_lines_are_what_json_writes(names: tuple[int, ...] | None) -> None:
    def named(parts: tuple[int, ...]) -> list[int]:
        return [names[part] if names else part for part in parts]

    want = [
        {
            "id": f"{(row.key + 3) & ((1 << 64) - 1):016x}",
            "parent": None if row.parent is None else f"{row.parent + 3:016x}",
            "stage": "classes",
            "generation": 4,
            "edit": None
            if row.edit is None
            else {"by": row.edit.by, "added": named(row.edit.added), "removed": named(row.edit.removed)},
            "fitness": row.fitness,
            "top1": round(row.top1, 6),
        }
        for row in ROWS
    ]
    lines = history_lines(ROWS, stage="classes", generation=4, names=names, around=3)
    assert list(lines) == [json.dumps(row, ensure_ascii=False) for row in want]


def test_a_journal_is_cut_back_to_what_was_known(tmp_path: Path) -> None:
    path, later = tmp_path / "history.jsonl", BackgroundWriter()
    size = Journal(path, 0, later).append(["{}", '{"é": 1}'])
    later.settle()
    assert size == path.stat().st_size == len('{}\n{"é": 1}\n'.encode())
    Journal(path, size, later).append(["[]"])
    assert Journal(path, size, later).append(["[1]"]) == size + 4
    later.close()
    assert path.read_text().splitlines() == ["{}", '{"é": 1}', "[1]"]


def test_a_journal_that_lost_lines_is_not_written_on(tmp_path: Path) -> None:
    path, later = tmp_path / "history.jsonl", BackgroundWriter()
    path.write_text("{}\n")
    Journal(path, 4, later).append(["[1]"])
    with pytest.raises(RunError, match="shorter than"):
        later.settle()
    later.close()
    assert path.read_text() == "{}\n"
