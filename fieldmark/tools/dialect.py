"""How a question is worded as an HTTP request body, and what an endpoint turned out not to understand.

It knows nothing of sending, of cache keys or of limits.
"""

import json
import logging
import re
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from fieldmark.records import Message, Question
from fieldmark.tools.answers import strict_schema

logger = logging.getLogger(__name__)


class ResponseFormat(StrEnum):
    """The ways to ask for JSON, best first; each next one is the fallback of the one before."""

    SCHEMA = "json_schema"
    JSON = "json_object"
    TEXT = "text"

    @property
    def fallback(self) -> "ResponseFormat | None":
        """The fallback of this format; `None` for plain text."""
        formats = list(ResponseFormat)
        at = formats.index(self) + 1
        return formats[at] if at < len(formats) else None


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

    def learn(self, status: int, complaint: str, *, form: ResponseFormat, endpoint: str) -> bool:
        """Takes a refusal as a lesson where it names a part of the request that can be put otherwise.

        Args:
            status: HTTP status of the refusal.
            complaint: Text of the refusal.
            form: The format that the refused request used.
            endpoint: Name of the endpoint, for the log.

        Returns:
            True where the request is worth sending again in the new wording.
        """
        if status not in _REFUSING:
            return False
        words = complaint.lower()
        if form is not ResponseFormat.TEXT and any(word in words for word in _FORMAT_WORDS):
            self.fall_back(form, endpoint=endpoint, why=f"refused with HTTP {status}")
            return True
        if status >= 500 or not any(word in words for word in _UNKNOWN_WORDS):
            return False
        if self._length_field == "max_tokens" and "max_completion_tokens" in words:
            logger.info("%s wants max_completion_tokens instead of max_tokens.", endpoint)
            self._length_field = "max_completion_tokens"
            return True
        for name in ("temperature", "seed"):
            if name not in self._dropped and re.search(rf"\b{name}\b", words):
                logger.warning("%s does not take %s; its own default is used.", endpoint, name)
                self._dropped.add(name)
                return True
        return False

    def fall_back(self, form: ResponseFormat, *, endpoint: str, why: str) -> None:
        """Leaves `form` for its fallback, unless another question did so already."""
        lower = form.fallback
        if self.format is form and lower is not None:
            logger.warning("%s: response format %s %s; using %s.", endpoint, form.value, why, lower.value)
            self.format = lower
            self.proven = False


def _schema_name(model: type[BaseModel]) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", model.__name__)[:64] or "answer"


def _messages(messages: tuple[Message, ...], extra: str) -> list[dict[str, Any]]:
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
