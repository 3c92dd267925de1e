"""What the tests of the language model tool share: a question, its answer model, a model at an endpoint."""

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.records import ChatMessage, Question
from fieldmark.tools.llm.chat import ChatModel
from tests.faulty_endpoint import FaultyEndpoint, Reply, error

KEY = "sk-secret-0123456789"
GOOD = '{"marks": ["a crimson belly"]}'
QUICK = {"retry-after-ms": "5"}
"""A header that lets the SDK retry at once."""


class Marks(BaseModel):
    model_config = ConfigDict(extra="forbid")
    marks: list[str]


def ask_marks(text: str = "Which marks?", **options: Any) -> Question[Marks]:
    messages = (ChatMessage(role="system", content="You know birds."), ChatMessage(role="user", content=text))
    return Question(prompt_id="marks.v1", messages=messages, answer_model=Marks, **options)


def chat(
    endpoint: FaultyEndpoint | str, store: Any = None, *, model: str = "test-model", **options: Any
) -> ChatModel:
    url = endpoint if isinstance(endpoint, str) else endpoint.base_url
    options = {"api_key": KEY, "timeout_s": 5.0, **options}
    return ChatModel(model, base_url=url, store=MemoryByteStore() if store is None else store, **options)


def broken(status: int = 500, message: str = "it is broken") -> Reply:
    return error(status, message, headers=QUICK)


async def arrived(endpoint: FaultyEndpoint, count: int = 1) -> None:
    """Waits until that many chat requests have arrived."""
    while endpoint.asked < count:  # noqa: ASYNC110 - the server lives in a thread of its own
        await asyncio.sleep(0.01)
