"""`--resume` without a name takes the latest run of the command's kind; slips are told."""

from pathlib import Path

import pytest

from fieldmark.cli.exit_codes import with_latest
from fieldmark.errors import InputError, RunError
from fieldmark.evals.methods.registry import methods_named
from fieldmark.tools.runs.folder import RunFolder


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        (["classify", "--resume"], ["classify", "--resume", "latest"]),
        (["classify", "--resume", "--json"], ["classify", "--resume", "latest", "--json"]),
        (["classify", "--resume", "x", "--json"], ["classify", "--resume", "x", "--json"]),
        (["classify", "--resume=x"], ["classify", "--resume=x"]),
        (["vllm", "m", "--", "--resume"], ["vllm", "m", "--", "--resume"]),
        ([], []),
    ],
)
def test_a_name_is_filled_in_where_none_follows(given: list[str], filled: list[str]) -> None:
    assert with_latest(given) == filled


def test_the_latest_is_of_the_kind_that_is_asked_for(tmp_path: Path) -> None:
    for run, kind in (("20260101-a", "classify"), ("20260102-b", "classify"), ("20260103-c", "optimize")):
        made = RunFolder.create(tmp_path, kind=kind, options={})
        made.path.rename(tmp_path / run)
    assert RunFolder.open(tmp_path, "latest", kind="classify").run_id == "20260102-b"
    assert RunFolder.open(tmp_path, "latest").run_id == "20260103-c"
    with pytest.raises(RunError, match="There is no run of eval"):
        RunFolder.open(tmp_path, "latest", kind="eval")


def test_a_slip_is_told(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, kind="eval", options={}).path.rename(tmp_path / "20260102-eval-1a2b")
    with pytest.raises(RunError) as run:
        RunFolder.open(tmp_path, "20260102-eval-1a2c", kind="eval")
    assert run.value.hint.startswith("Did you mean 20260102-eval-1a2b? ")
    with pytest.raises(InputError) as method:
        methods_named(["tip-adaptr"])
    assert method.value.hint.startswith("Did you mean ")
