"""Sends request bodies to one OpenAI-compatible endpoint; every failure becomes a typed error."""

import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, cast

from fieldmark.errors import (
    EndpointBusy,
    EndpointError,
    FieldmarkError,
    QuestionFailed,
    SettingsError,
)
from fieldmark.tools.llm.address import normal_url, read_address
from fieldmark.tools.llm.completion import (
    Completion,
    HttpStatusError,
    ModelList,
    complaint_in,
    place_of,
    read_completion,
    redirected,
)
from fieldmark.tools.llm.pace import Pace

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

logger = logging.getLogger(__name__)

_LOOK_S = 5.0
"""Seconds allowed for the list of models: nothing may hang on it."""
_NO_MODEL = re.compile(
    r"(?:no such|unknown|invalid) model|"
    r"\bmodels?\b.{0,100}?(?:not found|not exist|n't exist|not (?:available|served|loaded)|unknown)",
    re.IGNORECASE | re.DOTALL,
)
"""What servers say with 400 of a model that they do not have."""
_LONGEST_WAIT_S = 365 * 86_400.0
_NO_KEY = "no-key"
"""Sent where no key is configured: local servers take any, the SDK takes no empty one."""


class Endpoint:
    """Talks to one endpoint about one model.

    Args:
        model: The model's name at the endpoint.
        base_url: Base URL, ending in `/v1` on most servers; `None` for the SDK's default.
        api_key: The key; `None` where none is needed. Never shown.
        timeout_s: The most seconds for one HTTP try, the whole body included.
        max_retries: Retries of the SDK on connection faults, 408, 409 and 5xx, and of the pace on 429.
        pace: When calls may be made.
        most_bytes: The most bytes of a response; `None` for what an answer may have.
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
        pace: Pace,
        most_bytes: int | None = None,
        http_client: "httpx2.AsyncClient | None" = None,
    ) -> None:
        import httpx2
        from openai import AsyncOpenAI

        from fieldmark.tools.llm.http_client import CONNECT_S, MOST_BYTES, UNUSABLE, open_http_client

        key = (api_key or "").strip()
        if not key.isascii() or not key.isprintable():
            # The HTTP stack would refuse it too, in an error that shows it.
            raise SettingsError(
                "The API key holds characters that no key has.", hint="Copy OPENAI_API_KEY again."
            )
        address = None if base_url is None else read_address(base_url)
        base_url = address and address.url
        login = address and address.login
        if login and key:
            logger.warning("The base URL has a user and password: they are sent, and the API key is not.")
        self.model = model
        self.pace = pace
        self.retries = max_retries
        self.tries = 0
        """HTTP requests for chat completions so far, the SDK's retries included."""
        self._key = key
        self._login = login
        self._secrets = dict.fromkeys(address.secrets if address else (), "[password]")
        if key:
            self._secrets[key] = "[key]"
        self.timeout_s = timeout_s
        """The most seconds for one HTTP try."""
        self._busy: EndpointBusy | None = None
        self._unusable = UNUSABLE
        self._own_client = http_client is None
        self._http = http_client or open_http_client(
            base_url or "", connections=pace.most + 1, most_bytes=most_bytes or MOST_BYTES
        )
        self._sdk = AsyncOpenAI(
            api_key=key or _NO_KEY,
            base_url=base_url,
            timeout=httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
            max_retries=max_retries,
            http_client=self._http,
            # Not left in the URL: the HTTP stack writes URLs into its log.
            default_headers={"Authorization": login} if login else None,
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
        self,
        body: dict[str, Any],
        *,
        tokens: int = 0,
        timeout_s: float | None = None,
        max_retries: int | None = None,
    ) -> Completion:
        """Sends one chat completion request.

        Args:
            body: The request body.
            tokens: What it may use.
            timeout_s: Seconds for one HTTP try, where not the usual ones.
            max_retries: Retries of the SDK, where not the usual ones.

        Returns:
            What came back with HTTP 200, usable or not.

        Raises:
            HttpStatusError: On an HTTP error status.
            EndpointBusy: If the endpoint asked for a pause of over a minute, and it is not over.
            EndpointError: If no connection can be made.
            QuestionFailed: On a timeout ("timeout") or a connection that broke ("connection").
        """
        return await self.pace.through(
            lambda: self._complete(body, timeout_s, max_retries),
            tokens=tokens,
            retries=self.retries if max_retries is None else max_retries,
        )

    async def _complete(
        self, body: dict[str, Any], timeout_s: float | None, max_retries: int | None
    ) -> "tuple[Completion, Mapping[str, str]]":
        import httpx2
        from openai import APIConnectionError, APIStatusError

        self._raise_if_busy()
        client = self._sdk
        if timeout_s is not None:
            client = client.with_options(timeout=httpx2.Timeout(timeout_s, connect=timeout_s))
        if max_retries is not None:
            client = client.with_options(max_retries=max_retries)
        retries = 0
        try:
            with self._typed_errors(timeout_s):
                try:
                    raw = await client.chat.completions.with_raw_response.create(**cast("Any", body))
                    retries = raw.retries_taken
                except (APIStatusError, APIConnectionError) as error:
                    retries = _retries_of(error.request)
                    raise
        finally:
            self.tries += 1 + retries
        response = raw.http_response
        unusable = str(response.extensions.get(self._unusable, ""))
        completion = read_completion(response, self.hide, unusable=unusable)
        self.answered = self.answered or completion.fault is None or completion.fault.reason != "not_json"
        return completion, response.headers

    async def call(self, send: "Callable[[AsyncOpenAI], Awaitable[Any]]", *, timeout_s: float) -> bytes:
        """Makes another call of the protocol, and gives the body that came back with HTTP 200.

        Args:
            send: Makes it, with a raw response.
            timeout_s: Seconds for one HTTP try, what is sent included.

        Raises:
            HttpStatusError: On an HTTP error status.
            EndpointBusy: If the endpoint asked for a pause of over a minute, and it is not over.
            EndpointError: If no connection can be made, or the body cannot be used.
            QuestionFailed: On a timeout ("timeout") or a connection that broke ("connection").
        """
        import httpx2

        self._raise_if_busy()
        limit = httpx2.Timeout(timeout_s, connect=min(timeout_s, _LOOK_S))
        with self._typed_errors(timeout_s):
            response = (await send(self._sdk.with_options(timeout=limit))).http_response
        if unusable := str(response.extensions.get(self._unusable, "")):
            raise EndpointError(f"{self.url} sent a body that cannot be used: {unusable}.")
        return response.content

    @contextmanager
    def _typed_errors(self, limit: float | None) -> "Iterator[None]":
        """Makes what the SDK raises a typed error, `from None`: the SDK's holds the request and the key."""
        import httpx2
        from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

        try:
            yield
        except APIStatusError as error:
            complaint = self.hide(complaint_in(error.response) + redirected(error.response))
            wait = self._note_pause(error.response, complaint)
            said = error.response.headers
            raise HttpStatusError(error.status_code, complaint, wait_s=wait, headers=said) from None
        except APIConnectionError as error:
            self._raise_unreachable(error, timed_out=isinstance(error, APITimeoutError), limit=limit)
        except (OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, LookupError, UnicodeError) as error:
            raise EndpointError(
                f"The request to {self.name} could not be sent ({type(error).__name__}).",
                hint="Check OPENAI_BASE_URL and OPENAI_API_KEY.",
            ) from None

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
            hint = "Set OPENAI_API_KEY to a key for this endpoint."
            if self._login:
                why = "does not accept the user and password of the base URL"
                hint = (
                    "Correct them; where it wants an API key, leave them out, as they are sent in its place."
                )
            return EndpointError(f"{self.name} {why} (HTTP {status}).{said}", hint=hint)
        if status in (404, 405, 410) or (status in (400, 422) and _NO_MODEL.search(refused.complaint)):
            hint = served.hint(self.model) if served is not None else ""
            hint = hint or "Check the model's name, and that the base URL ends in /v1."
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
        """Takes key and password out of a text that an endpoint sent back."""
        if not self._secrets:
            return text
        longest_first = sorted(self._secrets, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, longest_first)), lambda hit: self._secrets[hit[0]], text)

    def _raise_if_busy(self) -> None:
        busy = self._busy
        if busy is not None and busy.until is not None and datetime.now(UTC) < busy.until:
            raise EndpointBusy(busy.message, until=busy.until, hint=busy.hint)

    def _note_pause(self, response: Any, complaint: str) -> float | None:
        """Seconds that a refusal asks to wait. Raises where they are many; nothing is sent meanwhile."""
        from fieldmark.tools.llm.http_client import LONG_WAIT_S, retry_after_s

        wait = retry_after_s(response.headers)
        if wait is None or wait <= LONG_WAIT_S or "insufficient_quota" in complaint:
            return wait
        if response.status_code != 429 and response.status_code < 500:
            return wait
        until = datetime.now(UTC) + timedelta(seconds=min(wait, _LONGEST_WAIT_S))
        when = f"{until:%Y-%m-%d %H:%M} UTC (HTTP {response.status_code})"
        hint = "All answers so far are kept; resume after that."
        busy = EndpointBusy(f"{self.name} takes no questions until {when}.", until=until, hint=hint)
        if self._busy is None:
            logger.warning("%s", busy.message)
        self._busy = busy
        raise busy from None

    def _raise_unreachable(self, error: Exception, *, timed_out: bool, limit: float | None) -> NoReturn:
        import httpx2

        cause = error.__cause__
        if isinstance(cause, httpx2.TooManyRedirects):
            raise EndpointError(
                f"{self.name} redirects in a circle.", hint="Correct OPENAI_BASE_URL, or the server."
            ) from None
        if isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol)):
            there = place_of(cause.request.url)
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
            seconds = self.timeout_s if limit is None else limit
            setting = " (FIELDMARK_LLM_TIMEOUT)" if limit is None else ""
            raise QuestionFailed(
                f"{self.name} gave no complete answer within {seconds:g} s{setting}.",
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


def _retries_of(request: Any) -> int:
    """How many times the SDK had sent a request before this time; it counts in a header."""
    count = str(request.headers.get("x-stainless-retry-count", "0"))
    return int(count) if count.isdecimal() else 0
