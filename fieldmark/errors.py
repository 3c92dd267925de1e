"""The typed errors of Fieldmark: each says what went wrong and what to do next."""

from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches
from typing import Literal

AnswerFault = Literal[
    "truncated", "refused", "filtered", "broken", "empty", "malformed", "off_schema", "not_json"
]
"""Why an answer that came back cannot be used."""
FailureReason = Literal[AnswerFault, "unsendable", "timeout", "connection", "http"]
"""Why a question has no usable answer."""


def nearest(given: str, known: Iterable[str], *, prefix: str = "") -> str:
    """The known name that is closest to what was given; empty where none is close.

    Args:
        given: What was given.
        known: Names.
        prefix: What they begin with. It is left out of the comparison: alike in all, it says nothing.
    """
    by_rest = {name.removeprefix(prefix): name for name in known}
    close = get_close_matches(given.removeprefix(prefix), by_rest, 1)
    return by_rest[close[0]] if close else ""


def close_to(given: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Ask whether something else was meant, to begin a hint with; empty where nothing known is close."""
    close = nearest(given, known, prefix=prefix)
    return f"Did you mean {close}? " if close else ""


class FieldmarkError(Exception):
    """Base of every error raised on purpose.

    Attributes:
        message: What went wrong, in one sentence.
        hint: What to do next, in one sentence; may be empty.
        field: The argument to change, by its Python name; several are separated by commas, none is empty. The
            command line adds their options.
        exit_code: What a command returns for it (2 input, 3 stopped by a limit).
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "", field: str = "") -> None:
        self.message = message
        self.hint = hint
        self.field = field
        super().__init__(f"{message} {hint}".strip())


class InputError(FieldmarkError):
    """An argument, a file or a folder that cannot be used."""


class SeveralMistakes(InputError):
    """Several things are wrong at once.

    Attributes:
        mistakes: Each of them, in the order in which they were found.
    """

    def __init__(self, message: str, *, hint: str = "", mistakes: "tuple[FieldmarkError, ...]" = ()) -> None:
        self.mistakes = mistakes
        super().__init__(message, hint=hint)


class SettingsError(InputError):
    """A setting or environment variable that cannot be used."""


class ClassNamesError(InputError):
    """Class names that are missing, blank or repeated."""


class NoImagesError(InputError):
    """No usable image was found."""


class ModelError(FieldmarkError):
    """A CLIP model that cannot be loaded or does not fit what was stored for it."""


class FetchError(ModelError):
    """Weights that cannot be fetched: no network, no such repository, no room, or another hash."""


class HubUnreachable(FetchError):
    """The hub of models does not answer: there is no network, or it is gone."""


class CacheError(FieldmarkError):
    """A cache folder that cannot be opened or written."""


class EndpointError(FieldmarkError):
    """The language-model endpoint cannot serve any question (down, wrong key, unknown model)."""


class QuestionFailed(FieldmarkError):
    """One question got no usable answer within bounds; other questions go on.

    Attributes:
        reason: Why: the answer's fault, or what kept it away.
        status: The HTTP status, where the reason is "http".
        retryable: Whether the same question may be answered another time: the endpoint was busy or broke.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: FailureReason,
        status: int | None = None,
        retryable: bool = False,
        hint: str = "",
    ) -> None:
        self.reason = reason
        self.status = status
        self.retryable = retryable
        super().__init__(message, hint=hint)

    @property
    def code(self) -> str:
        """The reason in one word, for counts: "refused", "http_429"."""
        return self.reason if self.status is None else f"{self.reason}_{self.status}"


class LimitReached(FieldmarkError):
    """The next call would pass a limit on calls, tokens or cost; all that was done is kept."""

    exit_code = 3


class EndpointBusy(LimitReached):
    """The endpoint takes no question before a time that it named; all that was done is kept.

    Attributes:
        until: When it takes questions again, in UTC; `None` where that is not known.
    """

    def __init__(self, message: str, *, until: datetime | None = None, hint: str = "") -> None:
        self.until = until
        super().__init__(message, hint=hint)


class ServerError(FieldmarkError):
    """A server started by Fieldmark did not come up or went away."""


class RunError(FieldmarkError):
    """A run folder that cannot be resumed or read."""
