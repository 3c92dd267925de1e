"""The typed errors of Fieldmark: each says what went wrong and what to do next."""


class FieldmarkError(Exception):
    """Base of every error raised on purpose.

    Attributes:
        message: What went wrong, in one sentence.
        hint: What to do next, in one sentence; may be empty.
        exit_code: What a command returns for it (2 input, 3 stopped by a limit).
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} {hint}".strip())


class InputError(FieldmarkError):
    """An argument, a file or a folder that cannot be used."""


class SettingsError(InputError):
    """A setting or environment variable that cannot be used."""


class ClassNamesError(InputError):
    """Class names that are missing, blank or repeated."""


class NoImagesError(InputError):
    """No usable image was found."""


class ModelError(FieldmarkError):
    """A CLIP model that cannot be loaded or does not fit what was stored for it."""


class CacheError(FieldmarkError):
    """A cache folder that cannot be opened or written."""


class EndpointError(FieldmarkError):
    """The language-model endpoint cannot serve any question (down, wrong key, unknown model)."""


class QuestionFailed(FieldmarkError):
    """One question got no usable answer within bounds; other questions go on.

    Attributes:
        reason: A short machine-readable cause, e.g. "truncated", "refused", "empty", "malformed",
            "off_schema", "http_500", "timeout", "connection".
    """

    def __init__(self, message: str, *, reason: str, hint: str = "") -> None:
        self.reason = reason
        super().__init__(message, hint=hint)


class LimitReached(FieldmarkError):
    """The next call would pass a limit on calls, tokens or cost; all that was done is kept."""

    exit_code = 3


class ServerError(FieldmarkError):
    """A server started by Fieldmark did not come up or went away."""


class RunError(FieldmarkError):
    """A run folder that cannot be resumed or read."""
