"""Help fills the terminal's lines, and a wrong choice is told in plain words."""

import pytest
import typer
from typer.testing import CliRunner

from fieldmark.cli import build


def test_paragraphs_of_the_help_flow() -> None:
    said = CliRunner().invoke(build(), ["demo", "--help"], terminal_width=80).output
    lines = [line.strip() for line in said.splitlines()]
    assert "bundled, and the questions are answered by a script (not a language model)" in lines


def test_a_wrong_choice_is_told_without_the_library_s_words() -> None:
    found = CliRunner().invoke(build(), ["classify", "birds", "--rule", "x"])
    assert found.exit_code == 2
    assert "'x' is not one of" in found.output
    assert "Value error" not in found.output


@pytest.mark.parametrize("only", ["", "classify", "concept"])
def test_a_call_of_one_command_reads_no_parameters_of_the_others_and_lists_them_alike(only: str) -> None:
    whole, one = build(), build(only)
    listed = [CliRunner().invoke(app, ["--help"], terminal_width=80).output for app in (whole, one)]
    assert listed[0] == listed[1]
    found = {
        name: len(command.params) + len(getattr(command, "commands", ()))
        for name, command in typer.main.get_command(one).commands.items()  # type: ignore[attr-defined]
    }
    assert {name for name, size in found.items() if size} == ({only} if only else set())
