"""How JSON is asked for: schema, JSON mode, plain text; and what is learnt from refusals."""

import asyncio
import json
from typing import Any

import pytest

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import LimitReached, QuestionFailed
from fieldmark.records import UsageLimits
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, accepting, completion, error
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


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_other_errors_do_not_fall_back(status: int) -> None:
    with FaultyEndpoint([broken(status, "it is broken")]) as endpoint:
        async with chat(endpoint, max_retries=0) as model:
            with pytest.raises(Exception, match=str(status)):
                await model.ask(ask_marks())
        assert endpoint.asked == 1
    assert model.response_format == "json_schema"


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
