"""The doctor says what is missing and what to do, and falls ill itself of nothing."""

import dataclasses
from typing import Any

import pytest

from tests.command_line import CommandLine
from tests.faulty_endpoint import FaultyEndpoint, completion, error


def checks(outcome: Any) -> dict[str, tuple[str, str]]:
    """Name of a check → its state and what it says with its fix."""
    assert outcome.json["schema"] == "fieldmark.doctor/1"
    return {each["name"]: (each["state"], f"{each['says']} {each['fix']}") for each in outcome.json["checks"]}


def configured(command_line: CommandLine, **more: str) -> CommandLine:
    """The same place with settings."""
    return dataclasses.replace(command_line, more=more)


def test_with_nothing_configured_nothing_is_broken(command_line: CommandLine) -> None:
    outcome = command_line.invoke("doctor", "--json")
    found = checks(outcome)
    assert outcome.code == 0
    assert outcome.json["ok"] is True
    assert found["bundled model"][0] == "ok"
    assert found["CLIP model"][0] in ("ok", "note")
    assert found["language model"][0] == "note"
    assert "OPENAI_BASE_URL" in found["language model"][1]
    assert found["cache"][0] == "ok"
    assert outcome.err.splitlines()[-1].startswith("ok     cache")


def test_a_good_endpoint(command_line: CommandLine) -> None:
    script = completion('{"bird": "robin", "number_of_legs": 2}')
    with FaultyEndpoint([script, script, completion('{"colour": "red"}')]) as endpoint:
        place = configured(command_line, OPENAI_BASE_URL=endpoint.base_url, FIELDMARK_LLM="test-model")
        found = checks(place.invoke("doctor", "--json"))
    assert found["language model"][0] == "ok"
    assert found["JSON answers"][1].startswith("schema: yes, JSON mode: yes")
    assert found["sees images"][1].startswith("yes")


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (error(401, "bad key"), "OPENAI_API_KEY"),
        (completion(None), "gives no answer"),
        (error(500), "server's log"),
    ],
)
def test_a_bad_endpoint_is_broken(command_line: CommandLine, reply: Any, says: str) -> None:
    with FaultyEndpoint([reply]) as endpoint:
        place = configured(command_line, OPENAI_BASE_URL=endpoint.base_url, FIELDMARK_LLM="test-model")
        outcome = place.invoke("doctor", "--json")
    assert outcome.code == 1
    state, said = checks(outcome)["language model"]
    assert state == "broken"
    assert says in said
    assert "  → " in outcome.err and "resume" not in outcome.err


def test_an_endpoint_without_a_model_name(command_line: CommandLine) -> None:
    with FaultyEndpoint() as endpoint:
        place = configured(command_line, OPENAI_BASE_URL=endpoint.base_url)
        outcome = place.invoke("doctor", "--json")
        assert endpoint.asked == 0
    assert outcome.code == 0
    assert checks(outcome)["language model"][1].endswith("Set FIELDMARK_LLM to one of: test-model")


def test_a_script_is_called_a_script(command_line: CommandLine) -> None:
    with FaultyEndpoint(models=[{"id": "guide", "fieldmark_identity": "guide/1"}]) as endpoint:
        place = configured(command_line, OPENAI_BASE_URL=endpoint.base_url, FIELDMARK_LLM="guide")
        found = checks(place.invoke("doctor", "--json"))
        assert endpoint.asked == 0
    assert found["language model"] == (
        "ok",
        f"guide at {endpoint.base_url}: a script that knows its own classes alone ",
    )


@pytest.mark.parametrize("llm", ["guide", ""])
def test_a_password_in_the_address_is_not_shown(command_line: CommandLine, llm: str) -> None:
    with FaultyEndpoint(models=[{"id": "guide", "fieldmark_identity": "guide/1"}]) as endpoint:
        url = endpoint.base_url.replace("://", "://me:hunter2@")
        more = {"FIELDMARK_LLM": llm} if llm else {}
        outcome = configured(command_line, OPENAI_BASE_URL=url, **more).invoke("doctor", "--json")
    assert endpoint.base_url in checks(outcome)["language model"][1]
    assert "hunter2" not in outcome.err + str(outcome.json)


def test_what_was_set_and_is_not_there_is_broken(command_line: CommandLine) -> None:
    place = configured(command_line, FIELDMARK_CLIP="ViT-B-32:no-such-tag", FIELDMARK_DEVICE="toaster")
    outcome = place.invoke("doctor", "--json")
    found = checks(outcome)
    assert outcome.code == 1
    assert found["CLIP model"][0] == "broken"
    assert found["device"][0] == "broken"
    assert found["cache"][0] == "ok"


def test_a_setting_that_is_none(command_line: CommandLine) -> None:
    outcome = configured(command_line, FIELDMARK_PRICE_PROMPT="dear").invoke("doctor", "--json")
    assert outcome.code == 1
    assert checks(outcome)["settings"][0] == "broken"


def test_a_look_that_fails_is_a_finding(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the driver is too old")

    monkeypatch.setattr("fieldmark.tools.clip.devices.choose_device", fail)
    outcome = command_line.invoke("doctor", "--json")
    assert outcome.code == 1
    assert checks(outcome)["device"] == (
        "broken",
        "RuntimeError: the driver is too old fieldmark --debug doctor shows where.",
    )
