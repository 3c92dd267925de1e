"""Sends request bodies to one OpenAI-compatible endpoint; every failure becomes a typed error."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import urlsplit

from fieldmark.errors import EndpointError, FieldmarkError, QuestionFailed, SettingsError
from fieldmark.tools.llm.answers import BadAnswerError
from fieldmark.tools.llm.budget import TokenCount

if TYPE_CHECKING:
    import httpx2

logger = logging.getLogger(__name__)

_LOOK_S = 5.0
"""Seconds allowed for the list of models: nothing may hang on it."""
_NO_KEY = "no-key"
"""Sent where no key is configured: local servers take any, the SDK takes no empty one."""
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Completion:
    """One HTTP answer: its text, or what made it unusable, and the tokens it used where it says so."""

    text: str
    used: TokenCount | None
    fault: BadAnswerError | None = None


class HttpStatusError(Exception):
    """The endpoint answered with an HTTP error after the SDK's own retries.

    Attributes:
        status: HTTP status.
        complaint: Start of the response's text, without the key.
    """

    def __init__(self, status: int, complaint: str) -> None:
        self.status = status
        self.complaint = complaint
        super().__init__(f"HTTP {status}: {complaint}")


@dataclass(frozen=True)
class ModelList:
    """What `GET /models` said."""

    ids: tuple[str, ...]
    identities: dict[str, str]
    """Model id → the name that the endpoint gives itself (`fieldmark_identity`), where it does."""


def normal_url(url: str) -> str:
    """Writes a base URL in one form: lower-case scheme and host, no default port, user, query or last slash.

    Raises:
        SettingsError: If it is no http or https URL.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = (parts.hostname or "").lower()
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not host:
        raise SettingsError(
            "The language-model base URL is no http or https URL.",
            hint="Set OPENAI_BASE_URL to something like http://127.0.0.1:8000/v1.",
        )
    host = f"[{host}]" if ":" in host else host
    where = host if port in (None, _PORTS[scheme]) else f"{host}:{port}"
    return f"{scheme}://{where}{parts.path.rstrip('/')}"


class Endpoint:
    """Talks to one endpoint about one model.

    Args:
        model: The model's name at the endpoint.
        base_url: Base URL, ending in `/v1` on most servers; `None` for the SDK's default.
        api_key: The key; `None` where none is needed. Never shown.
        timeout_s: The most seconds for one HTTP try, the whole body included.
        max_retries: Retries of the SDK on connection faults, 408, 409, 429 and 5xx.
        connections: The most connections at a time.
        http_client: An own HTTP client (tests, special proxies); not closed here.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None,
        *,
        api_key: str | None,
        timeout_s: float,
        max_retries: int,
        connections: int,
        http_client: "httpx2.AsyncClient | None" = None,
    ) -> None:
        import httpx2
        from openai import AsyncOpenAI

        from fieldmark.tools.llm.http_client import CONNECT_S, open_http_client

        key = (api_key or "").strip()
        if not key.isascii() or not key.isprintable():
            # The HTTP stack would refuse it too, in an error that shows it.
            raise SettingsError(
                "The API key holds characters that no key has.", hint="Copy OPENAI_API_KEY again."
            )
        if base_url is not None:
            base_url = base_url.strip()
            normal_url(base_url)
        self.model = model
        self._key = key
        self._own_client = http_client is None
        self._http = http_client or open_http_client(base_url or "", connections=connections)
        self._sdk = AsyncOpenAI(
            api_key=key or _NO_KEY,
            base_url=base_url,
            timeout=httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
            max_retries=max_retries,
            http_client=self._http,
        )
        self.url = normal_url(str(self._sdk.base_url))
        """The base URL in normal form; names the endpoint in messages."""
        self.answered = False
        """Whether it ever sent a chat completion; tells a bad moment from a wrong address."""

    def __repr__(self) -> str:
        return f"Endpoint({self.model!r}, {self.url!r})"

    @property
    def name(self) -> str:
        """Model and URL, as messages name them."""
        return f"{self.model} at {self.url}"

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._own_client:
            await self._http.aclose()

    async def models(self) -> ModelList | None:
        """Asks once, briefly, which models are served; `None` where that cannot be known."""
        import httpx2
        from openai import OpenAIError

        client = self._sdk.with_options(max_retries=0, timeout=httpx2.Timeout(_LOOK_S, connect=_LOOK_S))
        try:
            response = await client.get("/models", cast_to=httpx2.Response)
            data = json.loads(response.text).get("data")
            entries = [
                entry for entry in data if isinstance(entry, dict) and isinstance(entry.get("id"), str)
            ]
        except (
            OpenAIError,
            httpx2.HTTPError,
            httpx2.InvalidURL,
            ValueError,
            TypeError,
            AttributeError,
        ) as error:
            logger.debug("%s: no list of models (%s).", self.url, type(error).__name__)
            return None
        except RecursionError:
            return None
        own = {
            entry["id"]: name
            for entry in entries
            # An address is no name: by it an endpoint would pass for another, and answer in its place.
            if isinstance(name := entry.get("fieldmark_identity"), str) and name and "://" not in name
        }
        return ModelList(tuple(entry["id"] for entry in entries), own)

    async def complete(
        self, body: dict[str, Any], *, timeout_s: float | None = None, max_retries: int | None = None
    ) -> Completion:
        """Sends one chat completion request.

        Args:
            body: The request body.
            timeout_s: Seconds for one HTTP try, where not the usual ones.
            max_retries: Retries of the SDK, where not the usual ones.

        Returns:
            What came back with HTTP 200, usable or not.

        Raises:
            HttpStatusError: On an HTTP error status.
            EndpointError: If no connection can be made.
            QuestionFailed: On a timeout ("timeout") or a connection that broke ("connection").
        """
        import httpx2
        from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

        client = self._sdk
        if timeout_s is not None:
            client = client.with_options(timeout=httpx2.Timeout(timeout_s, connect=timeout_s))
        if max_retries is not None:
            client = client.with_options(max_retries=max_retries)
        # Errors are raised `from None`: the SDK's carry the request, and with it the key.
        try:
            raw = await client.chat.completions.with_raw_response.create(**cast("Any", body))
        except APIStatusError as error:
            complaint = self.hide(_complaint(error.response) + _redirected(error.response))
            raise HttpStatusError(error.status_code, complaint) from None
        except APIConnectionError as error:
            self._raise_unreachable(error, isinstance(error, APITimeoutError))
        except (OpenAIError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise EndpointError(
                f"The request to {self.name} could not be sent ({type(error).__name__}).",
                hint="Check OPENAI_BASE_URL and OPENAI_API_KEY.",
            ) from None
        completion = _read(raw.http_response, self.hide)
        self.answered = self.answered or completion.fault is None or completion.fault.reason != "not_json"
        return completion

    def failure(self, refused: HttpStatusError, *, served: ModelList | None = None) -> FieldmarkError:
        """Turns an HTTP error into what the caller may do about it.

        Args:
            refused: The HTTP error.
            served: The models served, where known, to name in the hint.

        Returns:
            An `EndpointError` where no question can be answered, else a `QuestionFailed`.
        """
        status = refused.status
        # Whatever its words end with, the hint must not run on from them.
        said = f" It says: {refused.complaint[:300].rstrip().rstrip('.')}." if refused.complaint else ""
        if status in (401, 403, 407):
            why = "takes no request without a key" if not self._key else "does not accept the API key"
            return EndpointError(
                f"{self.name} {why} (HTTP {status}).{said}",
                hint="Set OPENAI_API_KEY to a key for this endpoint.",
            )
        if status in (404, 405, 410):
            ids = ", ".join(served.ids[:8]) if served is not None else ""
            hint = (
                f"It serves: {ids}." if ids else "Check the model's name, and that the base URL ends in /v1."
            )
            return EndpointError(f"{self.name} is not there (HTTP {status}).{said}", hint=hint)
        if status == 402 or "insufficient_quota" in refused.complaint:
            return EndpointError(
                f"The account for {self.name} has no credit left (HTTP {status}).{said}",
                hint="Top up the account, or use another endpoint.",
            )
        hint = "Wait and resume: what was answered is kept." if status == 429 or status >= 500 else ""
        if status == 429:
            hint = "Lower FIELDMARK_LLM_CONCURRENCY, or wait and resume: what was answered is kept."
        return QuestionFailed(
            f"{self.name} answered HTTP {status}.{said}",
            reason="http",
            status=status,
            retryable=status in (408, 409, 429) or status >= 500,
            hint=hint,
        )

    def hide(self, text: str) -> str:
        """Takes the key out of a text that an endpoint sent back."""
        return text.replace(self._key, "[key]") if self._key else text

    def _raise_unreachable(self, error: Exception, timed_out: bool) -> NoReturn:
        import httpx2

        cause = error.__cause__
        if isinstance(cause, httpx2.TooManyRedirects):
            raise EndpointError(
                f"{self.name} redirects in a circle.", hint="Correct OPENAI_BASE_URL, or the server."
            ) from None
        if isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol)):
            there = _place(cause.request.url)
            if not there.startswith(self.url):
                raise EndpointError(
                    f"{self.name} redirects to {there}, and there is no connection to that.",
                    hint="Set OPENAI_BASE_URL to where the language model is.",
                ) from None
            raise EndpointError(
                f"No connection to the language model {self.name}.",
                hint="Start the server, or correct OPENAI_BASE_URL.",
            ) from None
        if timed_out:
            raise QuestionFailed(
                f"{self.name} gave no complete answer in time.",
                reason="timeout",
                retryable=True,
                hint="Raise FIELDMARK_LLM_TIMEOUT (seconds), or lower FIELDMARK_LLM_CONCURRENCY.",
            ) from None
        raise QuestionFailed(
            f"The connection to {self.name} broke before the answer was complete.",
            reason="connection",
            retryable=True,
            hint="Look at the server's log; lower FIELDMARK_LLM_CONCURRENCY if it is overloaded.",
        ) from None


def _complaint(response: Any) -> str:
    """The words of an error response: its message where it is JSON, else the start of its text; one line.

    They end up in messages, notes and reports: what is no printable character has no business there.
    """
    text = response.text
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return _one_line(text)[:300]
    error = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(error, dict):
        return _one_line(str(error))[:1000]
    named = [str(error[name]) for name in ("message", "detail", "param", "code") if error.get(name)]
    return _one_line(" | ".join(named) or str(error))[:1000]


def _place(url: Any) -> str:
    """Where a request went, as messages name it: without what a base URL does not have."""
    try:
        return normal_url(str(url)).removesuffix("/chat/completions")
    except SettingsError:  # another protocol
        return f"{url.scheme}://{url.host}"


def _redirected(response: Any) -> str:
    """A remark on where a response came from, if not from where the request was sent; else empty."""
    return f" (it redirects to {_place(response.url)})" if response.history else ""


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text).split())


def _read(response: Any, hide: Callable[[str], str]) -> Completion:
    """Reads a 200 response; whatever is missing or misshapen becomes the completion's fault."""
    text = response.text
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        page = text.lstrip()[:1] == "<" or "html" in response.headers.get("content-type", "")
        what = "a web page instead of JSON" if page else "a body that is no JSON"
        says = f"the endpoint sent {what}{_redirected(response)}"
        return Completion("", None, BadAnswerError("not_json", says))
    if not isinstance(data, dict):
        return Completion(
            "", None, BadAnswerError("not_json", "the endpoint sent JSON that is no chat completion")
        )
    used = _used(data.get("usage"))
    if data.get("error"):  # some relays report their upstream's fault in a 200
        said = hide(_complaint(response))[:300]
        return Completion("", used, BadAnswerError("malformed", f"the endpoint sent an error: {said}"))
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return Completion("", used, BadAnswerError("malformed", "the response has no message"))
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    words = content if isinstance(content, str) else ""
    finish = choice.get("finish_reason")
    if message.get("refusal"):
        return Completion(words, used, BadAnswerError("refused", "the model declined to answer"))
    if finish == "content_filter":
        return Completion(
            words, used, BadAnswerError("filtered", "the endpoint's content filter stopped the answer")
        )
    if finish == "length":
        return Completion(
            words, used, BadAnswerError("truncated", "the answer was cut off at its token limit")
        )
    if not words.strip():
        return Completion(words, used, BadAnswerError("empty", "the answer has no text"))
    return Completion(words, used)


def _used(usage: Any) -> TokenCount | None:
    """Token use as reported, or `None` where it is missing or makes no sense."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    for count in (prompt, completion):
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < 2**53:
            return None
    return TokenCount(cast("int", prompt), cast("int", completion))
