"""Every mistake of a command line is told at once, within a moment, and nothing heavy is loaded for it."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import fieldmark
from fieldmark.cli import build
from fieldmark.cli.mistakes import meant
from fieldmark.evals.methods.registry import METHODS
from fieldmark.evals.table.chosen_names import METHOD_KEYS, SETTING_NAMES
from fieldmark.evals.table.sources.aviary_settings import SETTINGS
from tests.command_line import CommandLine

PROGRAM = """
import contextlib, io, json, sys

class Forbidding:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "langgraph", "openai"):
            raise RuntimeError(f"{name} was loaded")

sys.meta_path.insert(0, Forbidding())
from fieldmark.cli import build
from fieldmark.cli.mistakes import meant
app = build()
said = []
for line in json.load(sys.stdin):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app(line, prog_name="fieldmark")
        except SystemExit as end:
            code = end.code
        except RuntimeError as error:
            code = str(error)
    said.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(said))
"""
LOOP = "a.png --classes a,b --clip aviary --llm m"
LINES: dict[str, tuple[str, ...]] = {
    "demo --species 1": ("--species",),
    "demo --mistakes 2 --books 0": ("--mistakes", "--books"),
    "classify a.png": ("No classes were given", "No language model is named"),
    "classify nothing --classes a --clip VitB32:x": (
        "'nothing' does not exist", "1 class name", "Did you mean ViT-B-32", "No language model",
    ),
    "classify --clases a,b --rule foo --max-rounds -1": (
        "--clases. Did you mean --classes?", "'foo' is not one of", "--max-rounds",
    ),
    f"classify {LOOP} --no-cache --refresh --max-cost 1": ("exclude each other", "needs the model's price"),
    f"classify {LOOP} --candidates topk --tau 0.1 --k 1": ("--tau is of no use", "k = 1"),
    f"classify {LOOP} --labels none.csv --tree none.csv --device warp": (
        "--labels", "--tree", '"warp" is no device',
    ),
    f"classify {LOOP} --base-url nonsense --vlm-base-url http://x/v1": ("no http or https URL", "no model"),
    f"classify {LOOP} --base-url foo --vlm v --vlm-base-url ftp://x": ("URL 'foo' of", "URL 'ftp://x' of"),
    f"classify {LOOP} --book none.json": ("'none.json' cannot be read",),
    "classify a.png --resume none --tau 0.1": ("There is no run 'none'", "--tau, the paths cannot be given"),
    "sort none --into x": ("There is no run 'none'",),
    "export none --out x": ("There is no run 'none'",),
    "export-rft none --out x": ("There is no run 'none' in 'runs'. There is no concept 'none'.",),
    "predict nofolder nothing --device warp": ("'nofolder' does not exist", "'nothing' does not", '"warp"'),
    "label none --file nofile": ("There is no run 'none'", "'nofile' does not exist"),
    "optimize": ("No labelled images were given",),
    "optimize --data nofolder --book none.json --folds 2": ("'nofolder'", "'none.json'", "2 folds need"),
    "optimize --data aviary --operator nope --classes a,b": ("no operator 'nope'", "Leave classes out"),
    "optimize --data . --species 3": ("for the aviary alone",),
    "optimize --resume none": ("There is no run 'none'",),
    "eval": ("No data were given",),
    "eval --data nofolder --methods clipp,dclipp": (
        "'nofolder'", "Did you mean clip?", "Did you mean dclip?",
    ),
    "eval --data aviary --settings nowhere --noun bird": ("no setting 'nowhere'", "Leave noun out"),
    "eval --resume none": ("There is no run 'none'",),
    "eval join none other --baseline clipp": ("'none'", "'other'", "Did you mean clip?"),
    "book import none": ("'none' cannot be read",),
    "book show none": ("'none' cannot be read",),
    "concept new x --pool nothing --clip VitB32:x": ("'nothing' does not exist", "Did you mean ViT-B-32"),
    "concept chat x": ("There is no concept 'x'",),
    "concept board x": ("There is no concept 'x'",),
    "concept label x --blind": ("There is no concept 'x'",),
    "concept build x": ("There is no concept 'x'",),
    "concept evaluate x": ("There is no concept 'x'",),
    "concept export x --out y": ("There is no concept 'x'",),
    "concept predict nofolder nothing": ("'nofolder' does not exist", "'nothing' does not exist"),
    "concept show x": ("There is no concept 'x'",),
    "concept diff x 1 2": ("There is no concept 'x'",),
    "concept rollback x 1": ("There is no concept 'x'",),
    "concept simulate --owners stripd": ("Did you mean striped?",),
    "concept simulate --resume none": ("There is no run 'none'",),
    "fetch VitB32:x": ("Did you mean ViT-B-32",),
    "fetch aviary": ("needs no fetching",),
    "fetch ''": ("No CLIP model was named",),
    "cache prune --days -1": ("--days",),
    "aviary guide --data nofolder": ("'nofolder' is no data set",),
    "aviary render full": ("full is not empty",),
    "vllm m --command ''": ("--command is empty",),
}  # fmt: skip


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    """What each line ends with: exit code, stdout and stderr; all in one process without torch."""
    folder = tmp_path_factory.mktemp("mistakes")
    Image.new("RGB", (32, 32)).save(folder / "a.png")
    (folder / "full").mkdir()
    (folder / "full" / "file").write_text("x")

    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("FIELDMARK", "OPENAI"))
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([shlex.split(line) for line in LINES]),
        env={
            **inherited,
            "PYTHONPATH": str(Path(fieldmark.__file__).parents[1]),
            "FIELDMARK_HOME": str(folder / "home"),
            "COLUMNS": "200",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not (folder / "runs").exists()  # and a failed start leaves no run
    return dict(zip(LINES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("line", LINES)
def test_mistakes_are_told_together_and_without_torch(line: str, said: dict[str, list[object]]) -> None:
    code, out, err = said[line]
    assert (code, out) == (2, ""), err
    for each in LINES[line]:
        assert each in str(err)


def test_each_command_is_tried() -> None:
    tried = {tuple(word for word in line.split()[:2] if word.isidentifier()) for line in LINES}
    assert {words[0] for words in tried} >= {"classify", "optimize", "eval", "concept", "book", "fetch"}


def test_an_unknown_option_takes_its_value_with_it() -> None:
    runner = CliRunner()
    told = runner.invoke(build(), ["sort", "none", "--itno", "x", "--into", "y", "more"]).output
    assert "--itno. Did you mean --into?" in told
    assert "unexpected extra argument(s): more" in " ".join(told.split()).replace("│ ", "")
    plain = runner.invoke(build(), ["sort", "--", "--itno"])
    assert "No such option" not in plain.output


@pytest.mark.parametrize(
    ("line", "close"),
    [
        ("optimize --sede 1", "--seed"),
        ("optimize --sed 1", "--seed"),
        ("optimize --seeds 1", "--seed"),
        ("optimize --epochs 3", ""),
        ("classify --dry", "--dry-run"),
        ("classify --sec", "--second-opinions"),
        ("classify --o x", "--out"),  # nothing else begins so
        ("classify -k 3", "--k"),
        ("sort --i x", "--into"),
        ("classify --x 1", ""),
    ],
)
def test_what_may_have_been_meant_goes_by_the_name_not_by_its_dashes(line: str, close: str) -> None:
    said = CliRunner().invoke(build(), line.split(), env={"COLUMNS": "200"}).output
    unknown = next(word for word in line.split() if word.startswith("-"))
    expected = f"No such option: {unknown}." + (f" Did you mean {close}?" if close else "")
    assert expected in said
    assert ("Did you mean" in said) == bool(close)


def test_two_letters_and_the_dashes_are_not_close() -> None:
    assert meant("--seed", ["--tree", "--out", "-h"]) == ""
    assert meant("--sede", ["--tree", "--seed"]) == "--seed"


def test_help_wins_over_mistakes() -> None:
    assert CliRunner().invoke(build(), ["classify", "--k", "0", "--help"]).exit_code == 0


def test_the_words_that_choose_are_those_of_what_they_choose() -> None:
    assert tuple(method.key for method in METHODS) == METHOD_KEYS
    assert tuple(SETTINGS) == SETTING_NAMES


def test_what_is_wrong_is_said_once(command_line: CommandLine) -> None:
    told = command_line.invoke("eval", "join", "none", "none")
    assert len(told.lines) == 2
