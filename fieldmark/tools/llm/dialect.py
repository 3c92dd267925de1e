"""Makes the HTTP request body of a question, and remembers what an endpoint does not understand."""

import json
import logging
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from fieldmark.records import ChatMessage, Question
from fieldmark.tools.llm.answers import strict_schema

logger = logging.getLogger(__name__)


class ResponseFormat(StrEnum):
    """The ways to ask for JSON, best first; each next one is the fallback of the one before."""

    SCHEMA = "json_schema"
    JSON = "json_object"
    TEXT = "text"

    @property
    def fallback(self) -> "ResponseFormat | None":
        """The fallback of this format; `None` for plain text."""
        return {ResponseFormat.SCHEMA: ResponseFormat.JSON, ResponseFormat.JSON: ResponseFormat.TEXT}.get(
            self
        )


_FORMAT_WORDS = (
    "response_format", "response format", "json_schema", "json schema", "json_object", "json mode",
    "structured output", "guided", "grammar",
)  # fmt: skip
_UNKNOWN_WORDS = (
    "not support", "unsupported", "not permitted", "not allowed", "unknown", "unrecognized", "unexpected",
    "extra",
)  # fmt: skip
_WANTED = "Answer with one JSON object that fits this JSON schema, and with nothing else:"
_REFUSING = frozenset({400, 415, 422, 500, 501})


class Dialect:
    """What one endpoint understands, learnt from its refusals and kept in memory only.

    Nothing here is part of a cache key: the same question has the same answer however it was worded.
    """

    def __init__(self) -> None:
        self.format = ResponseFormat.SCHEMA
        """The format that new questions use."""
        self.proven = False
        """Whether an answer came back as bare JSON of the right schema in this format."""
        self._length_field = "max_tokens"
        self._dropped: set[str] = set()

    def body(
        self, question: Question[Any], model: str, *, form: ResponseFormat, note: str = ""
    ) -> dict[str, Any]:
        """Builds the request body.

        Args:
            question: The rendered question.
            model: The model's name at the endpoint.
            form: How to ask for JSON.
            note: What was wrong with the last answer; added to the last user message.
        """
        schema = strict_schema(question.answer_model)
        extra = note
        if form is not ResponseFormat.SCHEMA:
            text = json.dumps(schema, ensure_ascii=False)
            extra = f"{_WANTED}\n{text}\n{note}"
        body: dict[str, Any] = {
            "model": model,
            "messages": _messages(question.messages, extra.strip()),
            "temperature": question.temperature,
            self._length_field: question.max_tokens,
        }
        if question.sample:
            body["seed"] = question.sample
        for name in self._dropped:
            body.pop(name, None)
        if form is ResponseFormat.SCHEMA:
            name = _schema_name(question.answer_model)
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": name, "schema": schema, "strict": True},
            }
        elif form is ResponseFormat.JSON:
            body["response_format"] = {"type": "json_object"}
        return body

    def learn(
        self, status: int, complaint: str, *, body: Mapping[str, Any], form: ResponseFormat, endpoint: str
    ) -> ResponseFormat | None:
        """Takes a refusal as a lesson where it names a part of the request that can be put otherwise.

        Args:
            status: HTTP status of the refusal.
            complaint: Text of the refusal.
            body: The refused request.
            form: The response format it used.
            endpoint: Name of the endpoint, for the log.

        Returns:
            The format to try the question in again; `None` where another wording would not help. Following
            it ends: each lesson takes something out of the request.
        """
        if status not in _REFUSING:
            return None
        words = complaint.lower()
        if form.fallback is not None and any(word in words for word in _FORMAT_WORDS):
            if self.format is form:
                self.settle_on(form.fallback, endpoint=endpoint, why=f"is refused with HTTP {status}")
            return form.fallback
        if status >= 500 or not any(word in words for word in _UNKNOWN_WORDS):
            return None
        if "max_tokens" in body and "max_completion_tokens" in words:
            if self._length_field == "max_tokens":
                logger.info("%s wants max_completion_tokens instead of max_tokens.", endpoint)
                self._length_field = "max_completion_tokens"
            return form
        for name in ("temperature", "seed"):
            if name in body and re.search(rf"\b{name}\b", words):
                if name not in self._dropped:
                    logger.warning("%s does not take this %s; its own default is used.", endpoint, name)
                    self._dropped.add(name)
                return form
        return None

    def settle_on(self, form: ResponseFormat, *, endpoint: str, why: str) -> None:
        """Uses `form` for new questions from now on."""
        logger.warning("%s: %s %s; using %s from now on.", endpoint, self.format.value, why, form.value)
        self.format = form
        self.proven = False


def _schema_name(model: type[BaseModel]) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", model.__name__)[:64] or "answer"


def _messages(messages: tuple[ChatMessage, ...], extra: str) -> list[dict[str, Any]]:
    """Renders the messages; `extra` is added to the last one by the user, or as one more."""
    last = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    rendered: list[dict[str, Any]] = []
    for at, message in enumerate(messages):
        text = f"{message.content}\n\n{extra}" if extra and at == last else message.content
        content: str | list[dict[str, Any]] = text
        if message.images:
            pictures = [
                {"type": "image_url", "image_url": {"url": image.data_url}} for image in message.images
            ]
            content = [{"type": "text", "text": text}, *pictures]
        rendered.append({"role": message.role, "content": content})
    if extra and last == -1:
        rendered.append({"role": "user", "content": extra})
    return rendered
