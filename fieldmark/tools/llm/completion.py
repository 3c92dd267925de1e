"""Reads the HTTP body of a chat completion: its text and its tokens, or what makes it unusable."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from fieldmark.errors import AnswerFault, SettingsError, nearest
from fieldmark.tools.llm.address import normal_url
from fieldmark.tools.llm.answers import BadAnswerError
from fieldmark.tools.llm.budget import TokenCount
from fieldmark.tools.llm.word_shares import WeighedToken, read_tokens

_ENDS: tuple[tuple[re.Pattern[str], AnswerFault, str], ...] = (
    (re.compile(r"^$|^(null|none|stop(ped)?|stop_sequence|eos(_token)?|end_turn|complete(d)?|finished)$"
                r"|unspecified|^tool_calls?$|^function_call$"), "empty", ""),
    (re.compile(r"length|max|(?<!rate_)limit|incomplete|exceeded"), "truncated",
     "the answer was cut off at its token limit"),
    (re.compile(r"refus"), "refused", "the model declined to answer"),
    (re.compile(r"filter|safety|recitation|block|prohibit|spii|policy|guard|sensitive|moderat"), "filtered",
     "the endpoint's content filter stopped the answer"),
    (re.compile(r"error|abort|cancel|fail|malform|interrupt|timeout|resource|unavailable|^other$"), "broken",
     "the endpoint broke off the answer"),
)  # fmt: skip
"""What finish reasons mean, by their words; an unknown one leaves the answer to be judged by itself."""
_MOST_NAMED = 8


@dataclass(frozen=True)
class Completion:
    """One HTTP answer.

    Attributes:
        text: Its text; may be empty.
        used: The tokens it used, where it says so.
        fault: What makes it unusable, where something does.
        thoughts: Thinking that came beside the text (`reasoning_content`).
        tokens: Its tokens with what might have stood in their place; empty where none were asked for or told.
    """

    text: str
    used: TokenCount | None
    fault: BadAnswerError | None = None
    thoughts: str = ""
    tokens: tuple[WeighedToken, ...] = ()


@dataclass(frozen=True)
class ModelList:
    """What `GET /models` said."""

    ids: tuple[str, ...]
    identities: dict[str, str]
    """Model id → the name that the endpoint gives itself (`fieldmark_identity`), where it does."""

    def hint(self, model: str) -> str:
        """Which models are served, the one first that may have been meant; empty where none is listed.

        Case, the owner before a slash and the tag behind a colon are left out of the comparison where one
        leaves them out in typing.
        """
        if not self.ids:
            return ""
        spelled: dict[str, str] = {}
        for name in self.ids:
            for said in (name, name.rpartition("/")[2], name.partition(":")[0]):
                spelled.setdefault(said.casefold(), name)
        given = model.casefold()
        near = nearest(given, spelled) or nearest(given.rpartition("/")[2], spelled)
        meant = f"Did you mean {spelled[near]}? " if near and spelled[near] != model else ""
        return f"{meant}It serves: {', '.join(self.ids[:_MOST_NAMED])}."


class HttpStatusError(Exception):
    """The endpoint answered with an HTTP error after the SDK's own retries.

    Attributes:
        status: HTTP status.
        complaint: Start of the response's text, without what must not be shown.
        wait_s: Seconds that it asks to wait; `None` where it does not.
        headers: Its headers.
    """

    def __init__(
        self,
        status: int,
        complaint: str,
        *,
        wait_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.complaint = complaint
        self.wait_s = wait_s
        self.headers = headers or {}
        super().__init__(f"HTTP {status}: {complaint}")


def read_completion(response: Any, hide: Callable[[str], str], *, unusable: str = "") -> Completion:
    """Reads a 200 response; whatever is missing or misshapen becomes the completion's fault.

    Args:
        response: The HTTP response.
        hide: Takes secrets out of a text.
        unusable: Why its body was not kept; empty where it was.

    Raises:
        HttpStatusError: If the body reports a refusal: some relays send those with status 200.
    """
    if unusable:
        return _no_json(f"the endpoint sent a body that cannot be used: {unusable}")
    try:
        text = response.content.decode("utf-8-sig")
        data = json.loads(text)
    except UnicodeDecodeError:
        return _no_json("the endpoint sent a body that is not UTF-8")
    except (ValueError, RecursionError):
        page = response.content.lstrip()[:1] == b"<" or "html" in response.headers.get("content-type", "")
        what = "a web page instead of JSON" if page else "a body that is no JSON"
        return _no_json(f"the endpoint sent {what}{redirected(response)}")
    if not isinstance(data, dict):
        return _no_json("the endpoint sent JSON that is no chat completion")
    used = _used(data.get("usage"))
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    fault = data.get("error") or (choice.get("error") if isinstance(choice, dict) else None)
    if fault:
        said = hide(complaint_of({"error": fault}))[:300]
        code = fault.get("code") if isinstance(fault, dict) else None
        if code in (400, 415, 422):
            raise HttpStatusError(code, said)
        return Completion("", used, BadAnswerError("broken", f"the endpoint sent an error: {said}"))
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return Completion("", used, BadAnswerError("malformed", "the response has no message"))
    words = _words(message.get("content"))
    thoughts = _words(message.get("reasoning_content")) or _words(message.get("reasoning"))
    if message.get("refusal"):
        return Completion(
            words, used, BadAnswerError("refused", "the model declined to answer"), thoughts=thoughts
        )
    return Completion(
        words,
        used,
        _fault_of(choice.get("finish_reason"), words, thoughts),
        thoughts=thoughts,
        tokens=read_tokens(choice.get("logprobs")),
    )


def complaint_of(data: Any) -> str:
    """The words of an error body, as JSON: its message where it has one; one printable line.

    They end up in messages, notes and reports: what is no printable character has no business there.
    """
    error = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(error, dict):
        return one_line(str(error))[:1000]
    named = [str(error[name]) for name in ("message", "detail", "param", "code") if error.get(name)]
    return one_line(" | ".join(named) or str(error))[:1000]


def complaint_in(response: Any) -> str:
    """The words of an error response: its message where it is JSON, else the start of its text."""
    text = response.content.decode("utf-8", "replace")
    try:
        return complaint_of(json.loads(text))
    except (ValueError, RecursionError):
        return one_line(text)[:300]


def redirected(response: Any) -> str:
    """A remark on where a response came from, if not from where the request was sent; else empty."""
    return f" (it redirects to {place_of(response.url)})" if response.history else ""


def place_of(url: Any) -> str:
    """Where a request went, as messages name it: without what a base URL does not have."""
    try:
        return normal_url(str(url)).removesuffix("/chat/completions")
    except SettingsError:  # another protocol
        return f"{url.scheme}://{url.host}"


def one_line(text: str) -> str:
    """A text in one line of printable characters."""
    return " ".join("".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text).split())


def _no_json(what: str) -> Completion:
    return Completion("", None, BadAnswerError("not_json", what))


def _words(content: Any) -> str:
    """The text of a message: a string, or the text parts of a list."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _fault_of(finish: Any, words: str, thoughts: str) -> BadAnswerError | None:
    reason = str(finish if finish is not None else "").rpartition(".")[2].lower()
    meant = next((end for end in _ENDS if end[0].search(reason)), None)
    if meant is not None and meant[2]:
        named = "" if reason in ("length", "content_filter", "refusal") else f" ({one_line(reason)[:40]})"
        return BadAnswerError(meant[1], meant[2] + named)
    if not words.strip():
        return BadAnswerError(
            "empty", "it thought and said nothing" if thoughts else "the answer has no text"
        )
    return None


def _used(usage: Any) -> TokenCount | None:
    """Token use as reported, or `None` where it is missing or makes no sense."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    for count in (prompt, completion):
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < 2**53:
            return None
    return TokenCount(cast("int", prompt), cast("int", completion))
