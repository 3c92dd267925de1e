"""The options for how a language model is asked: every command that asks has them, and they reach it."""

import dataclasses
import os

import pytest
import typer

from fieldmark.cli import build
from tests.command_line import CommandLine
from tests.faulty_endpoint import FaultyEndpoint, completion

COMMANDS = (
    "classify", "optimize", "eval", "doctor",
    "concept chat", "concept board", "concept build", "concept evaluate",
)  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_asks_has_them(name: str) -> None:
    command = typer.main.get_command(build())
    for part in name.split():
        command = command.commands[part]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--answer-tokens", "--effort", "--concurrency"} <= options


def test_they_reach_the_endpoint_and_end_with_the_command(
    command_line: CommandLine,
) -> None:
    script = completion('{"bird": "robin", "number_of_legs": 2}')
    with FaultyEndpoint([script]) as endpoint:
        variables = {"OPENAI_BASE_URL": endpoint.base_url, "FIELDMARK_LLM": "test-model"}
        place = dataclasses.replace(command_line, more=variables)
        place.invoke("doctor", "--effort", "low", "--answer-tokens", "5000")
        bodies = [request.body for request in endpoint.chats]
    assert bodies
    assert {(body["reasoning_effort"], body["max_tokens"]) for body in bodies} == {("low", 5000)}
    assert "FIELDMARK_EFFORT" not in os.environ


def test_an_effort_that_is_none_is_refused(command_line: CommandLine) -> None:
    outcome = command_line.invoke("doctor", "--effort", "heroic")
    assert outcome.code == 2


@pytest.mark.parametrize("wrong", ["0", "many"])
def test_a_concurrency_that_is_none_is_refused(command_line: CommandLine, wrong: str) -> None:
    outcome = command_line.invoke("doctor", "--concurrency", wrong)
    assert outcome.code == 2
    assert "--concurrency" in outcome.err
    assert "It is a number from 1 on, or auto." in " ".join(outcome.err.split())
