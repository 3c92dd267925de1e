"""The form of OpenAI's chat completions: reads a request, and writes what the guide answers to it."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, cast

from fieldmark.aviary.guide.guide import MODEL_NAME, Guide, UnknownQuestionError
from fieldmark.aviary.guide.picture_questions import DeclinedError
from fieldmark.records import ChatMessage, ImagePart
from fieldmark.records.questions import Role

_IMAGE_TOKENS = 256
_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant",
}  # fmt: skip


class RefusedRequestError(Exception):
    """A request that gets an error in OpenAI's form."""

    def __init__(self, status: int, message: str, code: str) -> None:
        self.status = status
        self.message = message
        self.code = code
        super().__init__(message)


@dataclass(frozen=True)
class CompletionRequest:
    """A request that can be answered.

    Attributes:
        messages: What is asked.
        schema: The JSON schema of the answer; None where none is given.
        seed: The sampling seed.
        most_tokens: Where the answer is cut; None where it is not.
        weighed: Whether log-probabilities are asked for.
    """

    messages: list[ChatMessage]
    schema: dict[str, Any] | None
    seed: int
    most_tokens: int | None
    weighed: bool = False


def read_request(body: bytes) -> CompletionRequest:
    """Read the body of a request.

    Raises:
        RefusedRequestError: It is none that this server answers.
    """
    request = _parsed(body)
    if request.get("model") != MODEL_NAME:
        raise RefusedRequestError(404, f"this server has no model but {MODEL_NAME!r}", "model_not_found")
    if request.get("stream"):
        raise RefusedRequestError(400, "this server does not stream", "unsupported")
    if request.get("n") not in (None, 1):
        raise RefusedRequestError(400, "this server gives one choice", "unsupported")
    messages = _messages(request.get("messages"))
    seed = request.get("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise RefusedRequestError(400, "'seed' must be a whole number", "invalid_value")
    schema = _schema(request.get("response_format"))
    weighed = request.get("logprobs") is True
    return CompletionRequest(messages, schema, seed or 0, _most_tokens(request), weighed)


def complete(request: CompletionRequest, guide: Guide) -> dict[str, Any]:
    """The response but for its `id`: the guide's answer, or that it declines.

    Raises:
        RefusedRequestError: The guide does not understand the question.
    """
    text, declined = "", None
    try:
        text = guide.answer(request.messages, request.schema, request.seed)
    except UnknownQuestionError as error:
        raise RefusedRequestError(400, str(error), "question_not_understood") from error
    except DeclinedError as error:
        declined = error.message
    text, finish_reason, completion_tokens = _within(text, request.most_tokens)
    prompt_tokens = sum(
        _tokens(message.content) + len(message.images) * _IMAGE_TOKENS for message in request.messages
    )
    return {
        "object": "chat.completion",
        "created": 0,
        "model": MODEL_NAME,
        "system_fingerprint": MODEL_NAME,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None if declined else text,
                    "refusal": declined,
                },
                "logprobs": _weighed(text) if request.weighed and text else None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


_FINDING = re.compile(r'("finding": ")(yes|no)(", "confidence": )(\d+)')


def _weighed(text: str) -> dict[str, Any]:
    """The log-probabilities of an answer: a finding is as likely as the guide is sure of it."""
    tokens: list[dict[str, Any]] = []

    def add(token: str, **likely: float) -> None:
        chances = {token: 1.0, **likely}
        top = [{"token": each, "logprob": math.log(p), "bytes": None} for each, p in chances.items()]
        tokens.append({**top[0], "top_logprobs": top})

    end = 0
    for found in _FINDING.finditer(text):
        add(text[end : found.start(2)])
        said, sure = found[2], min(int(found[4]), 99) / 100
        add(said, **{said: sure, "no" if said == "yes" else "yes": 1 - sure})
        end = found.end(2)
    add(text[end:])
    return {"content": tokens, "refusal": None}


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedRequestError(400, "the body is no JSON", "invalid_json") from error
    if not isinstance(request, dict):
        raise RefusedRequestError(400, "the body is no JSON object", "invalid_json")
    return cast("dict[str, Any]", request)


def _messages(value: Any) -> list[ChatMessage]:
    if not isinstance(value, list) or not value:
        raise RefusedRequestError(400, "'messages' must be a list of messages", "invalid_value")
    return [_message(item) for item in value]


def _message(item: Any) -> ChatMessage:
    role = _ROLES.get(str(item.get("role"))) if isinstance(item, dict) else None
    if role is None:
        raise RefusedRequestError(
            400, "every message needs a role: system, user or assistant", "invalid_value"
        )
    content = item.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise RefusedRequestError(400, "every message needs a content", "invalid_value")
    texts = [part.get("text") for part in parts if part.get("type") == "text"]
    images = [part for part in parts if part.get("type") != "text"]
    said = [text for text in texts if isinstance(text, str)]
    if len(said) < len(texts):
        raise RefusedRequestError(400, "a text part needs a text", "invalid_value")
    # JSON can hold half a surrogate pair, which no text may.
    joined = "\n".join(said).encode("utf-8", "replace").decode("utf-8")
    return ChatMessage(
        role=role, content=joined, images=tuple(ImagePart(data_url=_url(part)) for part in images)
    )


def _url(part: dict[str, Any]) -> str:
    """The address of a picture; an empty one where the part is of another kind."""
    found = part.get("image_url") if part.get("type") == "image_url" else None
    url = found.get("url") if isinstance(found, dict) else found
    return url.encode("ascii", "replace").decode("ascii") if isinstance(url, str) else ""


def _schema(response_format: Any) -> dict[str, Any] | None:
    if response_format is None:
        return None
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind in ("text", "json_object"):
        return None
    schema = response_format.get("json_schema") if kind == "json_schema" else None
    schema = schema.get("schema") if isinstance(schema, dict) else None
    if not isinstance(schema, dict):
        raise RefusedRequestError(
            400, "'response_format' must be text, json_object or json_schema", "invalid_value"
        )
    return cast("dict[str, Any]", schema)


def _most_tokens(request: dict[str, Any]) -> int | None:
    most = request.get("max_completion_tokens")
    most = request.get("max_tokens") if most is None else most
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise RefusedRequestError(400, "'max_tokens' must be a positive whole number", "invalid_value")
    return most


def _tokens(text: str) -> int:
    """About as many tokens as a tokenizer would make of a text: a quarter of its bytes."""
    return -(-len(text.encode("utf-8", "replace")) // 4)


def _within(text: str, most_tokens: int | None) -> tuple[str, str, int]:
    """Cut an answer to the tokens allowed, and say whether it was cut."""
    tokens = _tokens(text)
    if most_tokens is None or tokens <= most_tokens:
        return text, "stop", tokens
    cut = text.encode("utf-8", "replace")[: most_tokens * 4].decode("utf-8", "ignore")
    return cut, "length", most_tokens
