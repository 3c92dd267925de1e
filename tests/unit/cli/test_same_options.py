"""The same options, in the same words, on every command that can use them; help is readable at 80 columns."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fieldmark.agents.shared.estimate import CallEstimate, FirstLook
from fieldmark.app.concepts.builder import ConceptBuilder
from fieldmark.app.concepts.conversation import ConceptConversation
from fieldmark.app.evaluate.evaluator import Evaluator
from fieldmark.app.evaluate.record import left_of
from fieldmark.app.optimizer import Optimizer
from fieldmark.cli import build
from fieldmark.errors import InputError
from fieldmark.records import Usage, UsageLimits
from fieldmark.settings import read_settings
from tests.command_line import CommandLine

SHARED = (
    "--dry-run", "--device", "--max-calls", "--max-tokens", "--max-cost", "--no-cache", "--refresh",
    "--resume", "--engine",
)  # fmt: skip
SPENDS = {"--device", "--max-calls", "--max-tokens", "--max-cost", "--no-cache", "--refresh"}
HAS: dict[str, set[str]] = {
    "classify": {*SPENDS, "--dry-run", "--resume", "--engine"},
    "optimize": {*SPENDS, "--dry-run", "--resume", "--engine"},
    "eval": {*SPENDS, "--dry-run", "--resume", "--engine"},
    "advise": {*SPENDS, "--dry-run", "--resume", "--engine"},
    "instructions": {*SPENDS, "--dry-run", "--resume", "--engine"},
    # The same command goes on where it was: answers and vectors are kept.
    "discover": {*SPENDS, "--dry-run", "--engine"},
    "reword": {*SPENDS, "--dry-run", "--engine"},
    # The same command goes on where it was. What a conversation asks depends on what is said in it.
    "concept chat": SPENDS,
    "concept board": SPENDS,
    "concept build": {*SPENDS, "--dry-run", "--engine"},
    "concept evaluate": {*SPENDS, "--dry-run"},
    # A script answers, which costs nothing.
    "concept simulate": {"--resume"},
    "demo": {"--device"},
    # Nothing is asked: they encode, and what they do is done in one go.
    "concept new": {"--device", "--engine"},
    "concept predict": {"--device", "--engine"},
    # Begun again it asks and encodes nothing twice.
    "adapt": {*SPENDS, "--engine"},
    "next-class": {"--device"},
    "export": {*SPENDS, "--dry-run"},
    "predict": {"--device", "--engine"},
    "label": {"--device"},
    "fetch": {"--dry-run"},
    "vllm": {"--dry-run"},
    "embed": {"--device", "--engine"},
    "plan": {"--device"},
    "mcp": {"--max-calls"},
}
"""Which of them each command has; one that is not listed has none: it neither asks nor encodes anything."""


def commands() -> Iterator[tuple[str, Any]]:
    def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        yield " ".join(path), command
        for name, each in getattr(command, "commands", {}).items():
            yield from walk(each, (*path, name))

    yield from walk(typer.main.get_command(build()), ())


COMMANDS = dict(commands())


def help_of(name: str) -> str:
    said = CliRunner().invoke(
        build(), [*name.split(), "--help"], terminal_width=80, env={"COLUMNS": "80"}, prog_name="fieldmark"
    )
    assert said.exit_code == 0
    return said.output


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_what_it_can_use(name: str) -> None:
    words = help_of(name).split()
    assert {each for each in SHARED if each in words} == HAS.get(name, set())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_readable_at_80_columns(name: str) -> None:
    said = help_of(name)
    assert all(len(line) <= 80 for line in said.splitlines())
    assert not re.search(r"[-\w]…", said)  # no name is cut
    shown = {word.strip("│╭╮╰╯,") for word in said.split()}
    command = COMMANDS[name]
    names = {n for each in command.params for n in (*each.opts, *each.secondary_opts) if n.startswith("--")}
    assert names | set(getattr(command, "commands", {})) <= shown | {
        "--install-completion",
        "--show-completion",
    }
    broken = [
        word for word in said.split() if word.startswith("<") and "|" in word and not word.endswith(">")
    ]
    assert broken == []  # choices stand on one line


def test_what_is_typed_as_an_argument_is_the_option(command_line: CommandLine) -> None:
    told = command_line.invoke("optimize", "nofolder")
    assert "'nofolder' does not exist" in told.err
    told = command_line.invoke("optimize", "one", "--data", "two")
    assert "--data was given twice: one and two" in told.err
    told = command_line.invoke("concept", "new", "x", "nofolder")
    assert "'nofolder' does not exist" in told.err
    assert "No images were given" in command_line.invoke("concept", "new", "x").err
    assert "'nofile' does not exist" in command_line.invoke("label", "none", "nofile").err
    assert "'nofolder' is no data set" in command_line.invoke("aviary", "guide", "nofolder").err
    (command_line.folder / "photos").mkdir()
    told = command_line.invoke("eval", "photos")
    assert "fieldmark eval --data photos" in " ".join(told.err.split())


def test_both_caches_are_refused_everywhere(command_line: CommandLine) -> None:
    for command in ("optimize", "eval"):
        told = command_line.invoke(command, "--data", "aviary", "--no-cache", "--refresh")
        assert "--no-cache and --refresh exclude each other" in told.err


def test_they_reach_what_spends(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []

    def stop(task: Any) -> None:
        found.append((task.limits, task.cache, task.device, read_settings().device))
        raise InputError("Enough.")

    monkeypatch.setattr(Optimizer, "run", stop)
    monkeypatch.setattr(Evaluator, "run", stop)
    limits = ("--max-calls", "3", "--max-tokens", "500", "--device", "cpu")
    for command in ("optimize", "eval"):
        told = command_line.invoke(command, "--data", "aviary", *limits, "--no-cache")
        assert told.lines[-1] == "fieldmark: Enough."
    expected = (UsageLimits(max_calls=3, max_tokens=500), "off", "cpu", "cpu")
    assert found == [expected, expected]


def test_a_dry_run_says_what_would_be_asked_and_leaves_nothing(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = FirstLook(questions=9, cached=4, to_ask=5, tokens=1200, cost=0.5)
    told = CallEstimate(
        images=3, classes=2, model="m", noun="bird", first_look=look, follow_up_most=7, notes=("A note.",)
    )

    class Opened:
        estimate = staticmethod(lambda: told)

    monkeypatch.setattr("fieldmark.app.concepts.named.open_folder", lambda name: None)
    monkeypatch.setattr(ConceptBuilder, "open", lambda name, **given: Opened)
    for kind in (Optimizer, Evaluator):
        monkeypatch.setattr(kind, "estimate", lambda task: told)
        monkeypatch.setattr(kind, "run", lambda task: 1 / 0)
    for command in (
        ("optimize", "--data", "aviary"),
        ("eval", "--data", "aviary"),
        ("concept", "build", "x"),
    ):
        said = command_line.invoke(*command, "--dry-run", "--json")
        assert said.code == 0, said.err
        assert said.json["schema"] == "fieldmark.estimate/1"
        assert said.json["first_look"]["to_ask"] == 5
        words = command_line.invoke(*command, "--dry-run").out
        assert "9 questions to m, 4 in the cache, 5 to ask, at most 1,200 tokens, cost 0.5" in words
        assert "A note." in words
        assert words.splitlines()[-1] == "Nothing was asked."
    assert not (command_line.folder / "runs").exists()


def test_they_reach_the_work_on_a_concept(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []

    def stop(name: str, **given: Any) -> None:
        found.append((given["limits"], given["cache"], read_settings().device))
        raise InputError("Enough.")

    monkeypatch.setattr("fieldmark.app.concepts.named.open_folder", lambda name: None)
    monkeypatch.setattr(ConceptBuilder, "open", stop)
    monkeypatch.setattr(ConceptConversation, "open", stop)
    for command in ("chat", "board", "build", "evaluate"):
        told = command_line.invoke("concept", command, "x", "--max-cost", "2", "--refresh", "--device", "cpu")
        assert told.lines[-1] == "fieldmark: Enough."
    assert found == [(UsageLimits(max_cost=2), "refresh", "cpu")] * 4


def test_limits_are_of_all_settings_together() -> None:
    asked = ScriptedModel()
    limits = UsageLimits(max_calls=10, max_tokens=100)
    assert left_of(limits, []) == limits
    assert left_of(limits, [asked, asked]) == UsageLimits(max_calls=4, max_tokens=0)  # type: ignore[list-item]
    assert left_of(UsageLimits(), [asked]) == UsageLimits()  # type: ignore[list-item]


class ScriptedModel:
    """As much of a model as limits look at."""

    calls = 3
    usage = Usage(prompt_tokens=40, completion_tokens=20)
