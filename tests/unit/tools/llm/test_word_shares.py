"""Log-probabilities of words: read where they are told, done without where they are not."""

import json
import math
from typing import Any

import pytest
from pydantic import BaseModel

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.records import ChatMessage, Question
from fieldmark.tools.llm.word_shares import WeighedToken, read_tokens, share_of, word_shares
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, completion, error, json_reply
from tests.unit.tools.llm.llm_cases import chat

TEXT = '{"findings": ["a", "b"], "finding": "yes"}'


class Said(BaseModel):
    findings: list[str]
    finding: str


def ask(weigh: str = "finding") -> Question[Said]:
    messages = (ChatMessage(role="user", content="Is it?"),)
    return Question(prompt_id="said.v1", messages=messages, answer_model=Said, weigh=weigh)


def token(text: str, **likely: float) -> WeighedToken:
    return WeighedToken(text, {said: math.log(p) for said, p in (likely or {text: 1.0}).items()})


def test_the_word_is_found_wherever_tokens_are_cut():
    alone = [token('{"finding": "'), token("yes", yes=0.7, no=0.2, cannot=0.1), token('"}')]
    (shares,) = word_shares('{"finding": "yes"}', alone, "finding")
    assert shares == pytest.approx({"yes": 0.7, "no": 0.2, "cannot": 0.1})
    assert share_of(shares, "yes", against="no") == pytest.approx(0.7 / 0.9)
    glued = [token('{"finding":'), token(' "y', **{' "y': 0.6, ' "n': 0.3, "{": 0.1}), token('es"}')]
    (shares,) = word_shares('{"finding": "yes"}', glued, "finding")
    assert shares == pytest.approx({"y": 0.6, "n": 0.3})
    assert share_of(shares, "yes", against="no") == pytest.approx(2 / 3)


def test_nothing_is_read_where_tokens_are_not_the_text_or_say_nothing():
    assert word_shares(TEXT, [token("other")], "finding") == ()
    assert word_shares(TEXT, (), "finding") == ()
    assert word_shares(TEXT, [token(TEXT)], "") == ()
    assert share_of({"maybe": 0.9}, "yes", against="no") is None
    assert (
        read_tokens(None) == read_tokens({"content": [{"token": 1}]}) == read_tokens({"content": "x"}) == ()
    )


@pytest.mark.parametrize(
    ("shares", "told"),
    [({"yes": 0.51}, None), ({"yes": 0.97}, 0.97), ({"no": 0.97}, 0.03), ({"no": 0.01}, None),
     ({"yes": 0.55, "cannot": 0.4}, 11 / 12)],
)  # fmt: skip
def test_a_word_alone_is_told_only_where_little_is_left_for_the_other(shares, told):
    assert share_of(shares, "yes", against="no") == (told and pytest.approx(told))


@pytest.mark.parametrize("number", [10**400, -(10**400), math.nan, True, "0"])
def test_what_is_no_log_probability_is_not_told(number):
    (read,) = read_tokens({"content": [{"token": "yes", "logprob": number}]})
    assert read.likely == {}


def weighed(request: Received) -> Reply:
    assert request.body["logprobs"] is True
    before, after = TEXT.split("yes")
    rows: list[dict[str, Any]] = [
        {"token": before, "logprob": 0.0, "top_logprobs": []},
        {
            "token": "yes",
            "logprob": math.log(0.6),
            "top_logprobs": [{"token": "no", "logprob": math.log(0.4)}],
        },
        {"token": after, "logprob": 0.0},
    ]
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop",
              "logprobs": {"content": rows}}  # fmt: skip
    return json_reply({"object": "chat.completion", "choices": [choice]})


async def test_shares_come_with_the_answer_and_out_of_the_cache():
    kept = MemoryByteStore()
    with FaultyEndpoint([weighed]) as endpoint:
        async with chat(endpoint, kept) as model:
            fresh, again = await model.ask(ask()), await model.ask(ask())
            assert await model.key(ask()) != await model.key(ask(""))
    assert again.cached
    assert fresh.shares == again.shares
    assert fresh.shares[0] == pytest.approx({"yes": 0.6, "no": 0.4})


@pytest.mark.parametrize(
    ("status", "message"),
    [(400, "'logprobs' is not supported with this model"), (403, "You are not allowed to request logprobs"),
     (400, "something else")],
)  # fmt: skip
async def test_an_endpoint_that_refuses_them_is_asked_without(status: int, message: str):
    def answer(request: Received) -> Reply:
        return error(status, message) if "logprobs" in request.body else completion(TEXT)

    with FaultyEndpoint([answer]) as endpoint:
        async with chat(endpoint) as model:
            said = await model.ask(ask())
            assert said.value.finding == "yes"
            assert said.shares == ()
            await model.ask(ask("other"))
        assert [("logprobs" in each.body) for each in endpoint.chats] == [True, False, False]
        assert json.dumps(endpoint.chats[-1].body).count("top_logprobs") == 0
