"""Each way an endpoint can fail: what is retried and raised; nothing bad is stored and the rest goes on."""

import asyncio
import logging
import socket
import traceback
from typing import Any

import pytest

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import EndpointError, FieldmarkError, QuestionFailed, SettingsError
from fieldmark.tools.llm.chat import ChatModel
from tests.faulty_endpoint import (
    FaultyEndpoint,
    Received,
    Reply,
    completion,
    error,
    json_reply,
    rate_limited,
    web_page,
)
from tests.unit.tools.llm.llm_cases import GOOD, KEY, arrived, ask_marks, broken, chat


def unused_url() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


async def failure_of(model: ChatModel, **options: Any) -> FieldmarkError:
    with pytest.raises(FieldmarkError) as caught:
        await model.ask(ask_marks(**options))
    assert model.model in caught.value.message
    assert model.endpoint.url in caught.value.message
    return caught.value


async def test_a_server_that_is_down_is_an_endpoint_error_soon() -> None:
    async with chat(unused_url(), max_retries=1) as model:
        async with asyncio.timeout(30):
            failure = await failure_of(model)
    assert isinstance(failure, EndpointError)
    assert "OPENAI_BASE_URL" in failure.hint
    assert (model.usage.requests, model.usage.failed, model.usage.prompt_tokens) == (1, 1, 0)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_is_an_endpoint_error_without_retries(status: int) -> None:
    with FaultyEndpoint([error(status, "Incorrect API key provided")]) as endpoint:
        async with chat(endpoint) as model:
            failure = await failure_of(model)
        assert endpoint.asked == 1
    assert isinstance(failure, EndpointError)
    assert "OPENAI_API_KEY" in failure.hint


async def test_a_missing_key_is_named_as_such() -> None:
    with FaultyEndpoint([error(401, "You did not provide a key")]) as endpoint:
        async with chat(endpoint, api_key=None) as model:
            failure = await failure_of(model)
    assert "without a key" in failure.message


async def test_an_unknown_model_is_an_endpoint_error_that_lists_the_known() -> None:
    models = [{"id": "crow-7b"}, {"id": "rook-7b"}]
    with FaultyEndpoint([error(404, "The model does not exist")], models=models) as endpoint:
        async with chat(endpoint) as model:
            failure = await failure_of(model)
        assert endpoint.asked == 1
    assert isinstance(failure, EndpointError)
    assert "crow-7b, rook-7b" in failure.hint


SERVED = ("Qwen/Qwen3-8B", "crow-7b", "llama3:8b-instruct")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("crow7b", "crow-7b"),
        ("qwen3-8b", "Qwen/Qwen3-8B"),
        ("qwen/qwen3-8b", "Qwen/Qwen3-8B"),
        ("other/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("lama3", "llama3:8b-instruct"),
        ("gpt-5-mini", ""),
    ],
)
async def test_a_name_that_is_nearly_right_is_told(given: str, meant: str) -> None:
    reply = error(404, f"The model `{given}` does not exist")
    with FaultyEndpoint([reply], models=[{"id": name} for name in SERVED]) as endpoint:
        async with chat(endpoint, model=given) as model:
            failure = await failure_of(model)
    asked = f"Did you mean {meant}? " if meant else ""
    assert failure.hint == f"{asked}It serves: {', '.join(SERVED)}."


@pytest.mark.parametrize(
    "says",
    ["model 'crow' not found", "Unknown model: crow", "The model `crow` does not exist.", "No such model"],
)
async def test_a_400_about_the_model_is_no_fault_of_the_question(says: str) -> None:
    with FaultyEndpoint([error(400, says)], models=[{"id": "crow-7b"}]) as endpoint:
        async with chat(endpoint, model="crow") as model:
            failure = await failure_of(model)
    assert isinstance(failure, EndpointError)
    assert failure.hint == "Did you mean crow-7b? It serves: crow-7b."
    with FaultyEndpoint([error(400, "This model does not support images")]) as endpoint:
        async with chat(endpoint) as model:
            assert not isinstance(await failure_of(model), EndpointError)


async def test_no_credit_is_an_endpoint_error() -> None:
    reply = error(429, "You exceeded your current quota", code="insufficient_quota")
    with FaultyEndpoint([reply]) as endpoint:
        async with chat(endpoint, max_retries=0) as model:
            failure = await failure_of(model)
    assert isinstance(failure, EndpointError)


async def test_the_retry_after_of_a_429_is_waited_for() -> None:
    with FaultyEndpoint([rate_limited(retry_after_s=0.3), completion(GOOD)]) as endpoint:
        async with chat(endpoint) as model:
            answer = await model.ask(ask_marks())
        first, second = endpoint.chats
        assert second.at - first.at >= 0.3
    assert answer.value.marks == ["a crimson belly"]
    assert (model.usage.requests, model.usage.failed) == (1, 0)


@pytest.mark.parametrize(
    ("status", "named", "tries"), [(500, True, 3), (503, True, 3), (429, False, 2), (429, True, 33)]
)
async def test_an_error_that_stays_is_retried_within_bounds(status: int, named: bool, tries: int) -> None:
    """A refusal that says when to come again is followed more often: others may share the quota."""
    reply = broken(status) if named else error(status)
    with FaultyEndpoint([reply]) as endpoint:
        async with chat(endpoint, max_retries=2 if status >= 500 else 1) as model:
            failure = await failure_of(model)
        assert endpoint.asked == tries
    assert isinstance(failure, QuestionFailed)
    assert (failure.code, failure.status, failure.retryable) == (f"http_{status}", status, True)
    assert failure.hint


async def test_an_error_that_passes_is_survived() -> None:
    with FaultyEndpoint([broken(500), broken(502), completion(GOOD)]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks())
    assert (model.usage.requests, model.usage.failed) == (1, 0)


async def test_a_bad_request_is_not_repeated() -> None:
    with FaultyEndpoint([error(400, "This model's maximum context length is 64 tokens")]) as endpoint:
        async with chat(endpoint) as model:
            failure = await failure_of(model)
        assert endpoint.asked == 1
    assert isinstance(failure, QuestionFailed)
    assert (failure.code, failure.retryable) == ("http_400", False)
    assert "maximum context length" in failure.message


async def test_a_slow_answer_times_out() -> None:
    with FaultyEndpoint([completion(GOOD, delay_s=30)]) as endpoint:
        async with chat(endpoint, timeout_s=0.3, max_retries=0) as model:
            failure = await failure_of(model)
    assert isinstance(failure, QuestionFailed)
    assert (failure.reason, failure.retryable) == ("timeout", True)
    assert model.usage.unreported == 1  # it may have been paid for


async def test_dripping_bytes_do_not_hold_a_call() -> None:
    with FaultyEndpoint([completion(GOOD, drip_s=0.02)]) as endpoint:  # some 5 s in all
        async with chat(endpoint, timeout_s=0.4, max_retries=0) as model:
            failure = await failure_of(model)
    assert isinstance(failure, QuestionFailed)
    assert (failure.reason, failure.retryable) == ("timeout", True)


@pytest.mark.parametrize("reply", [Reply(hang_up=True), completion(GOOD, cut=True)])
async def test_a_broken_connection_fails_the_question(reply: Reply) -> None:
    with FaultyEndpoint([reply]) as endpoint:
        async with chat(endpoint, max_retries=0) as model:
            failure = await failure_of(model)
    assert isinstance(failure, QuestionFailed)
    assert (failure.reason, failure.retryable) == ("connection", True)


@pytest.mark.parametrize("reply", [Reply(hang_up=True), completion(GOOD, cut=True)])
async def test_a_connection_that_breaks_once_is_retried(reply: Reply) -> None:
    with FaultyEndpoint([reply, completion(GOOD)]) as endpoint:
        async with chat(endpoint, max_retries=1) as model:
            await model.ask(ask_marks())


@pytest.mark.parametrize("content_type", ["text/html", "application/json", "text/plain"])
async def test_web_pages_only_mean_a_wrong_address(content_type: str) -> None:
    with FaultyEndpoint([web_page(content_type=content_type)]) as endpoint:
        async with chat(endpoint) as model:
            failure = await failure_of(model)
    assert isinstance(failure, EndpointError)
    assert "web page" in failure.message
    assert "/v1" in failure.hint


async def test_a_web_page_now_and_then_fails_one_question_only() -> None:
    script = [completion(GOOD), web_page(), web_page(), web_page(), completion(GOOD)]
    with FaultyEndpoint(script) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks("first"))
            failure = await failure_of(model, text="second")
            await model.ask(ask_marks("third"))
    assert isinstance(failure, QuestionFailed)
    assert failure.reason == "not_json"
    assert model.faults == {"not_json": 3}


BAD_ANSWERS = {
    "truncated": completion('{"marks": ["a crim', finish_reason="length"),
    "truncated though complete": completion(GOOD, finish_reason="length"),
    "refused": completion(None, refusal="I cannot help with birds."),
    "filtered": completion(None, finish_reason="content_filter"),
    "empty": completion(""),
    "empty, white": completion(" \n"),
    "empty, null": completion(None),
    "malformed": completion("A crimson belly, I think."),
    "malformed, cut": completion('{"marks": ["a crim'),
    "malformed, array": completion('["a crimson belly"'),
    "off_schema": completion('{"marks": "a crimson belly"}'),
    "off_schema, more": completion('{"marks": [], "extra": 1}'),
    "off_schema, other": completion('{"birds": []}'),
    "off_schema, array": completion('["a crimson belly"]'),
    "malformed, no choices": json_reply({"object": "chat.completion", "choices": []}),
    "malformed, nothing": json_reply({}),
    "malformed, null choices": json_reply({"choices": None}),
    "malformed, no message": json_reply({"choices": [{"finish_reason": "stop"}]}),
    "broken, error in a 200": json_reply({"error": {"message": "upstream is down", "code": 502}}),
    "broken, error in a choice": json_reply({"choices": [{"error": {"message": "gone"}, "message": {}}]}),
    "broken, finish": completion(GOOD, finish_reason="error"),
    "broken, Gemini's": completion(GOOD, finish_reason="MALFORMED_FUNCTION_CALL"),
    "broken, DeepSeek's": completion(GOOD, finish_reason="insufficient_system_resource"),
    "broken, vLLM's": completion(GOOD, finish_reason="abort"),
    "truncated, Gemini's": completion(GOOD, finish_reason="MAX_TOKENS"),
    "truncated, its enum's": completion(GOOD, finish_reason="FinishReason.MAX_TOKENS"),
    "truncated, Mistral's": completion(GOOD, finish_reason="model_length"),
    "truncated, Anthropic's": completion(GOOD, finish_reason="model_context_window_exceeded"),
    "filtered, Gemini's": completion(GOOD, finish_reason="SAFETY"),
    "filtered, Gemini's other": completion(GOOD, finish_reason="PROHIBITED_CONTENT"),
    "refused, Anthropic's": completion(GOOD, finish_reason="refusal"),
    "truncated, thinking": completion(f"<think>{GOOD}"),
    "empty, thinking alone": completion(None, thoughts="Perhaps crimson."),
    "empty, answer among the thinking": completion(None, thoughts=GOOD),
    "not_json, list": json_reply([1, 2]),
    "not_json, cut": Reply(body=b'{"choices": [{"mess'),
    "not_json, deep": Reply(body=b"[" * 100_000),
    "malformed, deep": completion('{"marks": ' + "[" * 50_000),
    "off_schema, lone surrogate": Reply(
        body=b'{"choices": [{"message": {"content": "{\\"birds\\": \\"\\ud800\\"}"}}]}'
    ),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_a_bad_answer_is_asked_again_then_reported_and_never_stored(name: str) -> None:
    bad = BAD_ANSWERS[name]
    reason = name.split(",")[0].split(" ")[0]
    with FaultyEndpoint([bad, completion(GOOD), bad]) as endpoint:
        async with chat(endpoint, MemoryByteStore(), answer_retries=2) as model:
            answer = await model.ask(ask_marks("one"))
            assert answer.value.marks == ["a crimson belly"]
            assert endpoint.asked == 2
            assert (await model.ask(ask_marks("one"))).cached
            failure = await failure_of(model, text="two")
            assert not await model.peek(ask_marks("two"))
        most = 4 if reason == "truncated" else 5  # one retry with more room is enough
        assert endpoint.asked == most
    assert isinstance(failure, QuestionFailed)
    assert (failure.reason, failure.retryable) == (reason, False)
    assert failure.hint
    assert "marks.v1" in failure.message
    assert (model.usage.requests, model.usage.cached, model.usage.failed) == (2, 1, 1)
    assert model.calls == most
    assert model.faults == {reason: most - 1}


@pytest.mark.parametrize(
    "finish", ["stop", "STOP", "eos_token", "end_turn", "", None, "FINISH_REASON_UNSPECIFIED"]
)
async def test_an_answer_that_ended_by_itself_is_taken(finish: Any) -> None:
    with FaultyEndpoint([completion(GOOD, finish_reason=finish)]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks())


async def test_asking_again_says_what_was_wrong() -> None:
    script = [completion('{"birds": 3}'), completion("", finish_reason="length"), completion(GOOD)]
    with FaultyEndpoint(script) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks("Which marks of {it}?"))
        texts = [request.text for request in endpoint.chats]
    assert "could not be used" not in texts[0]
    assert "marks: Field required" in texts[1]
    assert "more briefly" in texts[2]
    assert all(text.startswith("You know birds.\nWhich marks of {it}?") for text in texts)


async def test_one_bad_question_does_not_stop_the_rest() -> None:
    def answer(request: Received) -> Reply:
        return completion(None, refusal="no") if "number 3" in request.text else completion(GOOD)

    with FaultyEndpoint([answer]) as endpoint:
        async with chat(endpoint) as model:
            results = await asyncio.gather(
                *(model.ask(ask_marks(f"number {n}")) for n in range(6)), return_exceptions=True
            )
    assert [isinstance(result, QuestionFailed) for result in results] == [n == 3 for n in range(6)]
    assert (model.usage.requests, model.usage.failed) == (6, 1)


async def test_the_key_shows_nowhere(caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    replies: list[Any] = [
        error(401, f"Incorrect API key provided: {KEY}"),
        Reply(status=400, body=KEY.encode(), headers={"content-type": "text/plain"}),
        error(404, "no", param=KEY),
        error(418, f"response_format {KEY}"),
        json_reply({"error": {"message": KEY}}),
    ]
    for reply in replies:
        with FaultyEndpoint([reply]) as endpoint:
            async with chat(endpoint, max_retries=0, answer_retries=0) as model:
                failure = await failure_of(model)
            assert endpoint.chats[0].headers["authorization"].endswith(KEY)
        shown = "".join(traceback.format_exception(failure)) + repr(failure) + failure.hint
        assert KEY not in shown
    assert KEY not in caplog.text
    assert not any(KEY in repr(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("key", ["sk-ünicode", "sk\nwith-a-line-break"])
async def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        chat("http://127.0.0.1:9/v1", api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize("key", [None, "", "  "])
async def test_a_local_server_needs_no_key(key: str | None) -> None:
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        async with chat(endpoint, api_key=key) as model:
            await model.ask(ask_marks())


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"max_retries": -1}, {"answer_retries": -1}, {"timeout_s": 0.0}]
)
async def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        chat("http://127.0.0.1:9/v1", **options)


async def test_text_that_cannot_be_sent_fails_its_question_only() -> None:
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        async with chat(endpoint) as model:
            with pytest.raises(QuestionFailed) as caught:
                await model.ask(ask_marks("a file named \udcff"))
        assert endpoint.asked == 0
    assert caught.value.reason == "unsendable"


async def test_a_cancelled_question_is_settled_and_can_be_asked_again() -> None:
    with FaultyEndpoint([completion(GOOD, delay_s=20), completion(GOOD)]) as endpoint:
        async with chat(endpoint, timeout_s=30) as model:
            task = asyncio.create_task(model.ask(ask_marks()))
            await arrived(endpoint)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert model.calls == 1
            assert model.usage.unreported == 1
            assert model.usage.completion_tokens == 1024  # the worst it may have cost
            assert not (await model.ask(ask_marks())).cached


async def test_cancelling_one_asker_leaves_the_others_their_answer() -> None:
    with FaultyEndpoint([completion(GOOD)], latency_s=0.2) as endpoint:
        async with chat(endpoint) as model:
            first = asyncio.create_task(model.ask(ask_marks()))
            second = asyncio.create_task(model.ask(ask_marks()))
            await arrived(endpoint)
            first.cancel()
            answer = await second
            with pytest.raises(asyncio.CancelledError):
                await first
        assert endpoint.asked == 1
    assert answer.value.marks == ["a crimson belly"]


async def test_closing_stops_what_is_under_way() -> None:
    with FaultyEndpoint([completion(GOOD, delay_s=20)]) as endpoint:
        async with chat(endpoint, timeout_s=30) as model:
            task = asyncio.create_task(model.ask(ask_marks()))
            await arrived(endpoint)
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_failed_question_shared_by_two_is_asked_once() -> None:
    with FaultyEndpoint([broken(500)], latency_s=0.1) as endpoint:
        async with chat(endpoint, max_retries=0) as model:
            results = await asyncio.gather(
                *(model.ask(ask_marks()) for _ in range(2)), return_exceptions=True
            )
        assert endpoint.asked == 1
    assert all(isinstance(result, QuestionFailed) for result in results)
