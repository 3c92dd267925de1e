"""Joining evaluations: which language models answered is told, and more than one is said aloud."""

from pathlib import Path

from fieldmark.app.evaluate.join import MANY_MODELS, join_runs
from fieldmark.evals.table.join import SettingRuns
from fieldmark.evals.table.options import EvalOptions
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.evals.report.tables_to_report import BASE, evaluation, run, truth


def measured(parent: Path, key: str, llm: str | None) -> str:
    options = EvalOptions(methods=("clip",)).model_dump(mode="json")
    folder = RunFolder.create(parent, kind="eval", options={"options": options})
    own = run(key, (0,))
    inside = RunFolder(folder.path / "methods" / "new")
    inside.write("test.json", truth())
    inside.write(f"{key}-0.json", own)
    _, result = evaluation(parent, [SettingRuns(truth(), [own])], [BASE], llm=llm)
    folder.write("result.json", result)
    return str(folder.path)


def test_whoever_answered_is_named_and_two_are_a_note(tmp_path: Path) -> None:
    one, other = measured(tmp_path, "clip", "small"), measured(tmp_path, "dclip", "large")
    nobody = measured(tmp_path, "zpe", None)
    both = join_runs([one, nobody, other], baseline="clip", out=tmp_path)
    assert both.llm == "small, large"
    assert MANY_MODELS in both.notes
    alone = join_runs([nobody, other], baseline="clip", out=tmp_path)
    assert (alone.llm, alone.notes) == ("large", ())
    assert join_runs([nobody], baseline="clip", out=tmp_path).llm is None
