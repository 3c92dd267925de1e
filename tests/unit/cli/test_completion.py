"""Shell completion is installed and answers."""

import os
import subprocess
import sys
from pathlib import Path

import fieldmark

COMMAND = [sys.executable, "-m", "fieldmark"]


def run(home: Path, *arguments: str, **variables: str) -> str:
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(Path(fieldmark.__file__).parents[1])}
    # The shell that started this process is not asked; the argument names one.
    environment["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    done = subprocess.run(
        [*COMMAND, *arguments], env=environment | variables, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_completion_is_installed(tmp_path: Path) -> None:
    run(tmp_path, "--install-completion", "bash")
    assert "fieldmark" in (tmp_path / ".bashrc").read_text()
    assert "_FIELDMARK_COMPLETE" in (tmp_path / ".bash_completions" / "fieldmark.sh").read_text()


def test_completion_answers(tmp_path: Path) -> None:
    said = run(tmp_path, _FIELDMARK_COMPLETE="complete_bash", COMP_WORDS="fieldmark conce", COMP_CWORD="1")
    assert said.split() == ["concept"]
