"""Help fills the terminal's lines, and a wrong choice is told in plain words."""

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
