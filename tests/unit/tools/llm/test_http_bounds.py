"""Responses that would fill the memory or trip over their own headers: bounded, or named as unusable."""

import base64
import gzip
import io
import json
import tracemalloc
import zlib
from typing import Any

import pytest

from fieldmark.errors import EndpointBusy, EndpointError, FieldmarkError, QuestionFailed, SettingsError
from fieldmark.tools.llm.http_client import MOST_BYTES
from tests.faulty_endpoint import FaultyEndpoint, Reply, completion, error
from tests.unit.tools.llm.llm_cases import GOOD, KEY, ask_marks, chat

BODY = completion(GOOD).body
JSON = {"content-type": "application/json"}


def bomb(size: int) -> bytes:
    """A gzip body that unpacks to `size` zeros."""
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6) as packed:
        for _ in range(size // 2**20):
            packed.write(bytes(2**20))
    return file.getvalue()


async def failure_at(reply: Reply, **options: Any) -> FieldmarkError:
    with FaultyEndpoint([reply]) as endpoint:
        async with chat(endpoint, max_retries=0, answer_retries=0, **options) as model:
            with pytest.raises(FieldmarkError) as caught:
                await model.ask(ask_marks())
    return caught.value


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_small_body_that_unpacks_to_a_huge_one_is_not_unpacked(status: int) -> None:
    body = bomb(64 * 2**20)
    assert len(body) < MOST_BYTES
    await failure_at(error(400, "context length"))  # what is loaded once is no part of it
    tracemalloc.start()
    try:
        failure = await failure_at(Reply(status, body, {**JSON, "content-encoding": "gzip"}))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MOST_BYTES
    assert isinstance(failure, EndpointError if status == 200 else QuestionFailed)
    if status == 200:
        assert "more than 8 MB" in failure.message


@pytest.mark.parametrize("status", [200, 307])
async def test_a_body_without_end_is_left(status: int) -> None:
    headers = {**JSON, "location": "/elsewhere"} if status == 307 else JSON
    failure = await failure_at(Reply(status, bytes(2**20), headers, endless=True), timeout_s=60.0)
    assert isinstance(failure, (EndpointError, QuestionFailed))
    if status == 200:
        assert "more than 8 MB" in failure.message


@pytest.mark.parametrize(
    ("packing", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("identity", BODY),
        ("", BODY),
    ],
)
async def test_a_packed_answer_is_read(packing: str, body: bytes) -> None:
    with FaultyEndpoint([Reply(200, body, {**JSON, "content-encoding": packing})]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks())
        assert endpoint.chats[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("packing", "body", "says"),
    [
        ("br", b"xx", "packed as 'br'"),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY)), "which was not asked for"),
        ("gzip", BODY, "cannot be unpacked"),
        ("gzip", gzip.compress(BODY)[:-12], "ends in the middle"),
    ],
)
async def test_a_body_that_cannot_be_unpacked_is_named(packing: str, body: bytes, says: str) -> None:
    failure = await failure_at(Reply(200, body, {**JSON, "content-encoding": packing}))
    assert says in failure.message


@pytest.mark.parametrize("charset", ["utf-16", "base64", "latin-1", "no-such", "hex", "idna", "\u00fc"])
async def test_a_charset_in_a_header_is_not_believed(charset: str) -> None:
    headers = {"content-type": f"application/json; charset={charset}"}
    mark = json.dumps({"marks": ["a crête"]}, ensure_ascii=False)
    reply = completion(mark)
    body = json.dumps(json.loads(reply.body), ensure_ascii=False).encode()
    with FaultyEndpoint([Reply(200, body, headers)]) as endpoint:
        async with chat(endpoint) as model:
            assert (await model.ask(ask_marks())).value.marks == ["a crête"]
    failure = await failure_at(Reply(400, b'{"error": {"message": "context length"}}', headers))
    assert "context length" in failure.message


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
async def test_a_body_in_another_encoding_is_unusable(encoding: str) -> None:
    text = json.dumps(json.loads(completion('{"marks": ["ü"]}').body), ensure_ascii=False)
    text = text.replace("\\u00fc", "ü")
    failure = await failure_at(Reply(200, text.encode(encoding), JSON))
    assert "not UTF-8" in failure.message or "no JSON" in failure.message


@pytest.mark.parametrize("status", [429, 503])
async def test_a_long_pause_ends_the_run_resumably_and_says_until_when(status: int) -> None:
    reply = error(status, "slow down", headers={"retry-after": "3600"})
    with FaultyEndpoint([reply, completion(GOOD)]) as endpoint:
        async with chat(endpoint) as model:
            with pytest.raises(EndpointBusy, match=r"until \d{4}-\d\d-\d\d \d\d:\d\d UTC") as caught:
                await model.ask(ask_marks("one"))
            with pytest.raises(EndpointBusy, match="until"):
                await model.ask(ask_marks("two"))  # nothing is sent before it is over
        assert endpoint.asked == 1
    assert caught.value.exit_code == 3
    assert caught.value.until is not None
    assert model.calls == 0


async def test_no_credit_is_no_pause() -> None:
    reply = error(429, "no credit", code="insufficient_quota", headers={"retry-after": "3600"})
    assert isinstance(await failure_at(reply), EndpointError)


async def test_http_tries_count_the_retries_of_the_sdk() -> None:
    quick = {"retry-after-ms": "5"}
    script = [error(500, headers=quick), completion("no"), completion(GOOD), Reply(hang_up=True)]
    with FaultyEndpoint(script) as endpoint:
        async with chat(endpoint, max_retries=1) as model:
            await model.ask(ask_marks("one"))
            assert model.usage.http_tries == endpoint.asked == 3
            with pytest.raises(QuestionFailed):
                await model.ask(ask_marks("two"))
            assert model.usage.http_tries == endpoint.asked == 5


@pytest.mark.parametrize("ending", ["?api-version=1", "?key=hunter2", "#x"])
async def test_a_query_in_the_base_url_is_refused_without_showing_it(ending: str) -> None:
    with pytest.raises(SettingsError, match="query") as caught:
        chat(f"http://127.0.0.1:9/v1{ending}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", [None, KEY])
async def test_a_password_is_sent_in_place_of_the_key_and_shows_nowhere(key: str | None, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    sent = base64.b64encode(b"me:hunter/2").decode()
    echo = error(400, f"I got {sent} from me:hunter/2 and hunter%2F2: context length")
    with FaultyEndpoint([completion(GOOD), echo]) as endpoint:
        url = endpoint.base_url.replace("://", "://me:hunter%2F2@")
        async with chat(url, api_key=key) as model:
            await model.ask(ask_marks("one"))
            with pytest.raises(QuestionFailed) as caught:
                await model.ask(ask_marks("two"))
        assert {request.headers["authorization"] for request in endpoint.chats} == {f"Basic {sent}"}
    shown = str(caught.value) + caplog.text + repr(model) + repr([vars(record) for record in caplog.records])
    assert all(secret not in shown for secret in (sent, "hunter/2", "hunter%2F2", KEY))
    assert caught.value.message.count("[password]") == 3
    assert ("the API key is not" in caplog.text) is (key is not None)


async def test_a_password_that_is_refused_is_not_called_a_key() -> None:
    with FaultyEndpoint([error(401, "no")]) as endpoint:
        async with chat(endpoint.base_url.replace("://", "://me:hunter2@")) as model:
            with pytest.raises(EndpointError, match="user and password") as caught:
                await model.ask(ask_marks())
    assert "OPENAI_API_KEY" not in caught.value.hint
