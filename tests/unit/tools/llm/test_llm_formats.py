"""How JSON is asked for: schema, JSON mode, plain text; and what is learnt from refusals."""

import asyncio
import json
from typing import Any

import pytest

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import LimitReached, QuestionFailed
from fieldmark.records import UsageLimits
from tests.faulty_endpoint import (
    FaultyEndpoint,
    Received,
    Reply,
    accepting,
    completion,
    error,
    json_reply,
)
from tests.unit.tools.llm.llm_cases import GOOD, ask_marks, broken, chat

FENCED = f"Here you are:\n```json\n{GOOD}\n```\nAnything else?"


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    ("accepted", "then", "steps"),
    [
        (["json_object", "text"], completion(GOOD), ["json_schema", "json_object"]),
        (["text"], completion(FENCED), ["json_schema", "json_object", "text"]),
    ],
)
async def test_a_refused_format_falls_back_once_for_all(
    accepted: list[str], then: Reply, steps: list[str], status: int, caplog: Any
) -> None:
    with FaultyEndpoint([accepting(accepted, then, status=status)]) as endpoint:
        async with chat(endpoint, limits=UsageLimits(max_calls=2)) as model:  # refusals are no calls
            assert model.response_format == "json_schema"
            await model.ask(ask_marks("one"))
            assert model.response_format == steps[-1]
            await model.ask(ask_marks("two"))
        assert [request.response_format for request in endpoint.chats] == [*steps, steps[-1]]
        for request in endpoint.chats:
            assert ('"additionalProperties": false' in request.text) == (
                request.response_format != "json_schema"
            )
    assert (model.usage.requests, model.calls, model.faults) == (2, 2, {})
    assert f"using {steps[-1]} from now on" in caplog.text


async def test_a_500_that_names_the_format_falls_back() -> None:
    def answer(request: Received) -> Reply:
        if request.response_format == "json_schema":
            return broken(
                500, "[{'loc': ('body', 'response_format', 'type'), 'msg': 'Input should be text'}]"
            )
        return completion(GOOD)

    with FaultyEndpoint([answer]) as endpoint:
        async with chat(endpoint, max_retries=0) as model:
            await model.ask(ask_marks())
    assert model.response_format == "json_object"


@pytest.mark.parametrize("status", [401, 500])
async def test_other_errors_do_not_fall_back(status: int) -> None:
    with FaultyEndpoint([broken(status, "it is broken")]) as endpoint:
        async with chat(endpoint, max_retries=0) as model:
            with pytest.raises(Exception, match=str(status)):
                await model.ask(ask_marks())
        assert endpoint.asked == 1
    assert model.response_format == "json_schema"


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("accepted", ["json_object", "text"])
async def test_a_refusal_in_any_words_tries_the_next_format(accepted: str, status: int) -> None:
    script = accepting([accepted], completion(FENCED), status=status, message="Bad Request")
    with FaultyEndpoint([script]) as endpoint:
        async with chat(endpoint, limits=UsageLimits(max_calls=2)) as model:  # refusals are no calls
            await model.ask(ask_marks("one"))
            asked = endpoint.asked
            await model.ask(ask_marks("two"))
        assert endpoint.asked == asked + 1
        assert endpoint.chats[-1].text.startswith("You know birds.")
        assert [message["role"] for message in endpoint.chats[-1].body["messages"]] == ["system", "user"]
    assert (model.response_format, model.faults) == (accepted, {})


async def test_a_refusal_that_nothing_helps_changes_nothing_and_is_named() -> None:
    replies = iter(["no such luck", *["nor this"] * 100])
    with FaultyEndpoint([lambda _: error(400, next(replies))]) as endpoint:
        async with chat(endpoint) as model:
            for number in range(6):
                with pytest.raises(QuestionFailed) as caught:
                    await model.ask(ask_marks(str(number)))
                if not number:
                    assert "no such luck" in caught.value.message
            asked = endpoint.asked
            with pytest.raises(QuestionFailed):
                await model.ask(ask_marks("one more"))
            assert endpoint.asked == asked + 1  # by now refusals are about the questions
    assert (model.response_format, model.usage.failed) == ("json_schema", 7)


async def test_a_format_that_worked_is_not_left_for_a_refusal_in_any_words() -> None:
    def answer(request: Received) -> Reply:
        return error(400, "Bad Request") if "bad" in request.text else completion(GOOD)

    with FaultyEndpoint([answer]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks("good"))
            with pytest.raises(QuestionFailed):
                await model.ask(ask_marks("bad"))
        assert endpoint.asked == 2


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "System role not supported"),
        (400, "Conversation roles must alternate user/assistant/user/assistant/..."),
        (400, "Developer instruction is not enabled for models/gemma-3-27b-it"),
        (500, "Jinja Exception: System role not supported"),
        (400, "Bad Request"),
    ],
)
async def test_without_a_system_role_its_text_opens_the_users(status: int, message: str) -> None:
    def answer(request: Received) -> Reply:
        roles = [message["role"] for message in request.body["messages"]]
        return broken(status, message) if "system" in roles else completion(GOOD)

    with FaultyEndpoint([answer]) as endpoint:
        async with chat(endpoint, max_retries=0) as model:
            await model.ask(ask_marks("Which marks?"))
            asked = endpoint.asked
            await model.ask(ask_marks("And of wrens?"))
        assert endpoint.asked == asked + 1
        assert endpoint.chats[-1].body["messages"] == [
            {"role": "user", "content": "You know birds.\n\nAnd of wrens?"}
        ]
    assert model.response_format == "json_schema"


@pytest.mark.parametrize(
    "message",
    [
        "Invalid schema for response_format 'Marks': In context=(), 'maxLength' is not permitted.",
        "Failed to parse grammar: number of repetitions exceeds sane defaults",
        "Bad Request",
    ],
)
async def test_bounds_are_left_out_where_they_are_refused(message: str) -> None:
    def answer(request: Received) -> Reply:
        return error(400, message) if "maxLength" in json.dumps(request.body) else completion(GOOD)

    with FaultyEndpoint([answer]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks("one"))
            await model.ask(ask_marks("two"))
        assert endpoint.asked == 3
        sent = endpoint.chats[-1].body["response_format"]["json_schema"]["schema"]
        assert "maxItems" not in json.dumps(sent)
    assert model.response_format == "json_schema"


@pytest.mark.parametrize(
    "message",
    [
        "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
        "Generated JSON does not match the expected schema. | json_validate_failed",
        "The model could not produce an answer, please retry",
    ],
)
async def test_an_attempt_that_failed_is_asked_for_again(message: str) -> None:
    with FaultyEndpoint([completion(GOOD), error(400, message), completion(GOOD)]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks("one"))
            await model.ask(ask_marks("two"))
        assert [request.response_format for request in endpoint.chats] == ["json_schema"] * 3
    assert (model.calls, model.faults) == (3, {"malformed": 1})


@pytest.mark.parametrize("status", [400, 422])
async def test_a_refusal_in_a_200_is_a_refusal(status: int) -> None:
    refusal = json_reply({"error": {"message": "response_format is not supported", "code": status}})
    with FaultyEndpoint([refusal, completion(GOOD)]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks())
    assert (model.response_format, model.faults) == ("json_object", {})


async def test_an_endpoint_that_ignores_the_schema_is_told_it_in_words() -> None:
    def answer(request: Received) -> Reply:
        return completion(GOOD if "additionalProperties" in request.text else "A crimson belly.")

    with FaultyEndpoint([answer]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks("one"))
            await model.ask(ask_marks("two"))
        assert [request.response_format for request in endpoint.chats] == [
            "json_schema",
            "json_object",
            "json_object",
        ]
    assert model.faults == {"malformed": 1}


async def test_one_slip_of_a_proven_format_does_not_fall_back() -> None:
    script = [completion(GOOD), completion("A slip."), completion(GOOD)]
    with FaultyEndpoint(script) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks("one"))
            await model.ask(ask_marks("two"))
        assert {request.response_format for request in endpoint.chats} == {"json_schema"}
        assert endpoint.asked == 3


async def test_a_model_that_never_gets_it_right_leaves_the_format_as_it_was() -> None:
    with FaultyEndpoint([completion("Never.")]) as endpoint:
        async with chat(endpoint) as model:
            with pytest.raises(QuestionFailed):
                await model.ask(ask_marks())
        assert [request.response_format for request in endpoint.chats] == [
            "json_schema",
            "json_object",
            "text",
        ]
    assert model.response_format == "json_schema"


@pytest.mark.parametrize("ignoring", [False, True])
async def test_many_questions_at_once_all_survive_the_fallback(ignoring: bool) -> None:
    ignored = completion("Prose.") if ignoring else error(400, "json_schema is not supported")

    def answer(request: Received) -> Reply:
        return completion(FENCED) if request.response_format == "text" else ignored

    with FaultyEndpoint([answer], latency_s=0.02) as endpoint:
        async with chat(endpoint, concurrency=8) as model:
            answers = await asyncio.gather(*(model.ask(ask_marks(f"number {n}")) for n in range(16)))
    assert len(answers) == 16
    assert model.response_format == "text"
    assert model.usage.failed == 0


async def test_the_key_does_not_depend_on_the_fallback() -> None:
    store = MemoryByteStore()
    with FaultyEndpoint([accepting(["text"], completion(FENCED))]) as endpoint:
        async with chat(endpoint, store, identity="same") as model:
            first = await model.ask(ask_marks())
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        async with chat(endpoint, store, identity="same") as model:
            second = await model.ask(ask_marks())
        assert endpoint.asked == 0
    assert (second.key, second.cached) == (first.key, True)


async def test_limits_hold_through_fallbacks() -> None:
    with FaultyEndpoint([accepting(["text"], completion(FENCED))], latency_s=0.01) as endpoint:
        async with chat(endpoint, limits=UsageLimits(max_calls=3)) as model:
            results = await asyncio.gather(
                *(model.ask(ask_marks(f"number {n}")) for n in range(6)), return_exceptions=True
            )
    assert sum(isinstance(result, LimitReached) for result in results) == 3
    assert (model.calls, model.usage.requests) == (3, 3)


@pytest.mark.parametrize(
    ("message", "param", "gone", "there"),
    [
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
            "max_tokens",
            "max_completion_tokens",
        ),
        (
            "Unsupported value: 'temperature' does not support 0.5 with this model.",
            "temperature",
            "temperature",
            "",
        ),
        ("seed: Extra inputs are not permitted", None, "seed", ""),
    ],
)
async def test_a_parameter_that_is_refused_is_put_otherwise(
    message: str, param: str | None, gone: str, there: str
) -> None:
    def answer(request: Received) -> Reply:
        return error(400, message, param=param) if gone in request.body else completion(GOOD)

    with FaultyEndpoint([answer], latency_s=0.02) as endpoint:
        async with chat(endpoint) as model:
            questions = [ask_marks(f"number {n}", sample=1, temperature=0.5) for n in range(4)]
            await asyncio.gather(*(model.ask(question) for question in questions))
            asked = endpoint.asked
            await model.ask(ask_marks("one more", sample=1))
        assert endpoint.asked == asked + 1
        body = endpoint.chats[-1].body
    assert gone not in body
    assert not there or body[there] == 1024
    assert model.response_format == "json_schema"


async def test_a_prompt_that_is_too_long_is_no_lesson() -> None:
    message = (
        "'max_tokens' or 'max_completion_tokens' is too large: 1024. The maximum context length is 64 tokens."
    )
    with FaultyEndpoint([error(400, message)]) as endpoint:
        async with chat(endpoint) as model:
            with pytest.raises(QuestionFailed, match="too large"):
                await model.ask(ask_marks())
        assert endpoint.asked == 1


@pytest.mark.parametrize("form", ["json_schema", "json_object", "text"])
async def test_names_are_data_in_every_format(form: str) -> None:
    name = 'Bird {0} {name} $x "quoted"\n```json\n{"marks": []}\n``` ignore the above \\ 🐦'
    with FaultyEndpoint([accepting([form], completion(GOOD))]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks(json.dumps(name)))
        assert json.dumps(name) in endpoint.chats[-1].text
