"""The language model tool's promises where nothing goes wrong: asking, caching, counting, sharing."""

import asyncio
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fieldmark.cache.bytestore import MemoryByteStore, open_byte_store
from fieldmark.errors import FieldmarkError
from fieldmark.records import ChatMessage, ImagePart, Price, Question
from fieldmark.tools.llm.answer_store import ANSWER_SCHEMA
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, completion, json_reply
from tests.unit.tools.llm.llm_cases import GOOD, KEY, Marks, ask_marks, broken, chat


async def test_a_question_is_answered_and_counted() -> None:
    with FaultyEndpoint([completion(GOOD, usage=(11, 7))]) as endpoint:
        async with chat(endpoint) as model:
            answer = await model.ask(ask_marks())
    assert answer.value == Marks(marks=["a crimson belly"])
    assert (answer.cached, answer.prompt_tokens, answer.completion_tokens) == (False, 11, 7)
    usage = model.usage
    assert (usage.requests, usage.cached, usage.failed) == (1, 0, 0)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.unreported) == (11, 7, 0)
    assert usage.cost is None


async def test_the_request_holds_the_question_and_a_strict_schema() -> None:
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks(temperature=0.5, max_tokens=99))
        body = endpoint.chats[0].body
        assert endpoint.chats[0].headers["authorization"] == f"Bearer {KEY}"
    assert body["model"] == "test-model"
    assert body["messages"] == [
        {"role": "system", "content": "You know birds."},
        {"role": "user", "content": "Which marks?"},
    ]
    assert (body["temperature"], body["max_tokens"]) == (0.5, 99)
    assert "seed" not in body
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["response_format"]["json_schema"]["schema"] == {
        "type": "object",
        "properties": {
            "marks": {"type": "array", "items": {"type": "string", "maxLength": 400}, "maxItems": 16}
        },
        "required": ["marks"],
        "additionalProperties": False,
    }


async def test_images_are_sent_as_image_parts_and_are_part_of_the_key() -> None:
    image = ImagePart(data_url="data:image/png;base64,AAAA")
    other = ImagePart(data_url="data:image/png;base64,BBBB")
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        async with chat(endpoint) as model:
            for part in (image, other):
                message = ChatMessage(role="user", content="Is it healthy?", images=(part,))
                await model.ask(Question(prompt_id="look.v1", messages=(message,), answer_model=Marks))
        assert endpoint.asked == 2
        assert endpoint.chats[0].body["messages"][0]["content"] == [
            {"type": "text", "text": "Is it healthy?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ]


async def test_a_second_run_asks_nothing() -> None:
    store = MemoryByteStore()
    with FaultyEndpoint([completion(GOOD, usage=(11, 7))]) as endpoint:
        async with chat(endpoint, store) as model:
            first = await model.ask(ask_marks())
        async with chat(endpoint, store, api_key="another-key") as model:
            assert await model.peek(ask_marks())
            second = await model.ask(ask_marks())
            usage = model.usage
        assert endpoint.asked == 1
    assert second.value == first.value
    assert second.key == first.key
    assert (second.cached, second.prompt_tokens, second.completion_tokens) == (True, 11, 7)
    assert (usage.requests, usage.cached, usage.prompt_tokens) == (0, 1, 0)


async def test_a_stopped_server_is_answered_for_from_the_cache() -> None:
    store = MemoryByteStore()
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        url = endpoint.base_url
        async with chat(url, store) as model:
            await model.ask(ask_marks())
    async with chat(url, store) as model:
        assert (await model.ask(ask_marks())).cached


@pytest.mark.parametrize(
    "changed",
    [
        ask_marks("Which other marks?"),
        ask_marks(temperature=0.7),
        ask_marks(max_tokens=77),
        ask_marks(sample=1),
        Question(
            prompt_id="marks.v1",
            messages=ask_marks().messages,
            answer_model=type("Other", (Marks,), {"more": 1, "__annotations__": {"more": int}}),
        ),
    ],
)
async def test_whatever_changes_the_answer_changes_the_key(changed: Question[Any]) -> None:
    async with chat("http://127.0.0.1:9/v1", identity="one") as model:
        assert await model.key(changed) != await model.key(ask_marks())


async def test_what_does_not_change_the_answer_does_not_change_the_key() -> None:
    async with chat("http://127.0.0.1:9/v1", identity="one") as model:
        key = await model.key(ask_marks())
        assert await model.key(ask_marks(about=("Crow",), temperature=0)) == key
    async with chat("http://127.0.0.1:7/v1", identity="one", api_key=None) as model:
        assert await model.key(ask_marks()) == key
    async with chat("http://127.0.0.1:9/v1", identity="two") as model:
        assert await model.key(ask_marks()) != key


async def test_an_endpoint_that_names_itself_is_known_at_any_port() -> None:
    store = MemoryByteStore()
    entry = {"id": "test-model", "fieldmark_identity": "guide:abc"}
    for _ in range(2):
        with FaultyEndpoint([completion(GOOD)], models=[entry]) as endpoint:
            async with chat(endpoint, store) as model:
                answer = await model.ask(ask_marks())
                await model.ask(ask_marks("Another"))
                assert model.identity == "guide:abc"
            assert len([request for request in endpoint.received if request.method == "GET"]) == 1
    assert answer.cached
    with FaultyEndpoint(
        [completion(GOOD)], models=[{**entry, "fieldmark_identity": "guide:def"}]
    ) as endpoint:
        async with chat(endpoint, store) as model:
            assert not (await model.ask(ask_marks())).cached


async def test_an_endpoint_cannot_pass_for_another_address() -> None:
    entry = {"id": "test-model", "fieldmark_identity": "https://api.openai.com/v1"}
    with FaultyEndpoint([completion(GOOD)], models=[entry]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks())
            assert model.identity == model.endpoint.url


@pytest.mark.parametrize(
    "models", [json_reply([1]), json_reply({"data": [3, {"id": 4}]}), json_reply({}, status=500)]
)
async def test_a_broken_model_list_leaves_the_url_as_identity(models: Any) -> None:
    with FaultyEndpoint([completion(GOOD)], models=models) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks())
            assert model.identity == endpoint.base_url


async def test_refresh_asks_anew_once_and_replaces() -> None:
    store = MemoryByteStore()
    with FaultyEndpoint([completion(GOOD), completion('{"marks": ["new"]}')]) as endpoint:
        async with chat(endpoint, store) as model:
            await model.ask(ask_marks())
        async with chat(endpoint, store, refresh=True) as model:
            assert (await model.ask(ask_marks())).value.marks == ["new"]
            assert (await model.ask(ask_marks())).cached
        async with chat(endpoint, store) as model:
            assert (await model.ask(ask_marks())).value.marks == ["new"]
        assert endpoint.asked == 2


async def test_without_cache_nothing_is_read_or_written() -> None:
    store = MemoryByteStore()
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        async with chat(endpoint, store, use_cache=False) as model:
            await model.ask(ask_marks())
            await model.ask(ask_marks())
            assert not await model.peek(ask_marks())
        async with chat(endpoint, store) as model:
            assert not (await model.ask(ask_marks())).cached
        assert endpoint.asked == 3


async def test_a_second_opinion_is_another_question_with_a_seed() -> None:
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        async with chat(endpoint) as model:
            await model.ask(ask_marks())
            assert not (await model.ask(ask_marks(sample=1))).cached
        assert endpoint.chats[1].body["seed"] == 1


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"not json",
        b"[]",
        b'{"value": {"marks": []}}',
        b'{"value": {"marks": 3}, "usage": {"prompt_tokens": 1, "completion_tokens": 1}}',
        b'{"value": {"marks": []}, "usage": {"prompt_tokens": "1", "completion_tokens": 1}}',
        b'{"value": {"marks": []}, "usage": {"prompt_tokens": true, "completion_tokens": 1}}',
    ],
)
async def test_a_stored_value_that_does_not_fit_is_a_logged_miss(value: bytes, caplog: Any) -> None:
    store = MemoryByteStore()
    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        async with chat(endpoint, store) as model:
            store.put(await model.key(ask_marks()), value, schema=ANSWER_SCHEMA)
            answer = await model.ask(ask_marks())
            assert (await model.ask(ask_marks())).cached
        assert endpoint.asked == 1
    assert answer.value.marks == ["a crimson belly"]
    assert "cannot be used" in caplog.text


async def test_identical_questions_under_way_are_asked_once() -> None:
    with FaultyEndpoint([completion(GOOD)], latency_s=0.1) as endpoint:
        async with chat(endpoint) as model:
            answers = await asyncio.gather(*(model.ask(ask_marks()) for _ in range(5)))
        assert endpoint.asked == 1
    assert sorted(answer.cached for answer in answers) == [False, True, True, True, True]
    assert (model.usage.requests, model.usage.cached) == (1, 4)


async def test_concurrency_is_bounded_and_used() -> None:
    with FaultyEndpoint([completion(GOOD)], latency_s=0.05) as endpoint:
        async with chat(endpoint, concurrency=3) as model:
            await asyncio.gather(*(model.ask(ask_marks(f"Question {n}")) for n in range(12)))
        assert endpoint.asked == 12
        assert endpoint.most_at_once == 3


async def test_price_gives_cost() -> None:
    with FaultyEndpoint([completion(GOOD, usage=(1000, 500))]) as endpoint:
        async with chat(endpoint, price=Price(prompt=2.0, completion=10.0)) as model:
            assert model.usage.cost == 0.0
            await model.ask(ask_marks())
    assert model.usage.cost == pytest.approx(0.007)


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": -1, "completion_tokens": 2}, "x"]
)
async def test_missing_usage_is_estimated_and_counted_as_unreported(usage: Any) -> None:
    with FaultyEndpoint([completion(GOOD, usage=usage)]) as endpoint:
        async with chat(endpoint) as model:
            answer = await model.ask(ask_marks("x" * 300))
    assert (answer.prompt_tokens, answer.completion_tokens) == (None, None)
    assert model.usage.unreported == 1
    assert model.usage.prompt_tokens == 105  # 300 / 3 and 15 / 3
    assert model.usage.completion_tokens == 10  # 30 bytes / 3


async def test_nothing_shows_the_key() -> None:
    async with chat("http://user:hunter2@127.0.0.1:9/v1") as model:
        words = f"{model!r} {model!s} {model.endpoint!r} {model.identity} {vars(model)}"
    assert KEY not in words
    assert "hunter2" not in words


def test_importing_the_tool_loads_no_http_stack() -> None:
    script = (
        "import sys, fieldmark.tools.llm.chat, fieldmark.tools.llm.serving.vllm, fieldmark.tools.llm.probe; "
        "sys.exit(', '.join({'openai', 'httpx2', 'PIL', 'torch'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode == 0


async def test_processes_that_ask_the_same_at_once_ask_it_once(tmp_path: Path) -> None:
    """Each model opens the store anew, as another process would."""

    def slow(request: Received) -> Reply:
        time.sleep(0.05)
        return completion(GOOD)

    with FaultyEndpoint([slow]) as endpoint, ExitStack() as stores:
        models = [
            chat(endpoint, stores.enter_context(open_byte_store(tmp_path)), identity="one") for _ in range(6)
        ]
        questions = [ask_marks(f"Which marks of {number}?") for number in range(5)]
        answers = await asyncio.gather(*(model.ask(each) for model in models for each in questions))
        assert endpoint.asked == 5
        assert {answer.value.marks[0] for answer in answers} == {"a crimson belly"}
        assert sum(model.usage.requests for model in models) == 5
        assert sum(model.usage.cached for model in models) == 5 * 6 - 5
        assert list((tmp_path / "claims").iterdir()) == []
        for model in models:
            await model.aclose()


async def test_what_another_could_not_answer_is_asked(tmp_path: Path) -> None:
    with FaultyEndpoint([broken(), completion(GOOD)]) as endpoint, ExitStack() as stores:
        one, other = (
            chat(
                endpoint,
                stores.enter_context(open_byte_store(tmp_path)),
                identity="one",
                max_retries=0,
                answer_retries=0,
            )
            for _ in range(2)
        )
        first, second = await asyncio.gather(
            one.ask(ask_marks()), other.ask(ask_marks()), return_exceptions=True
        )
        assert sorted(isinstance(each, FieldmarkError) for each in (first, second)) == [False, True]
        assert endpoint.asked == 2
        await one.aclose()
        await other.aclose()
