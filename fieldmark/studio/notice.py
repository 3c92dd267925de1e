"""What a page says of the form that was sent last: it travels in the page's address, sealed.

Every form is answered by an address to go to, so that loading a page again sends nothing again. Nobody else
can have a page of ours say something, and a restart of the server loses nothing.
"""

import base64
import zlib
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse

from fieldmark.records import Record
from fieldmark.studio.desk import desk_of

NOTICE = "notice"
MOST_CHARACTERS = 3000
"""Of a notice in an address. A browser cuts the address that it comes from at 4,096."""
WORDS = {
    "about", "answer", "called", "folder", "new_text", "path", "reason", "text", "to", "vlm", "why", "words",
}  # fmt: skip
"""Fields in which a person writes; what was written is shown where no form takes it up again."""
MOST_SAID = 500
"""Characters of a sentence: one may hold a path."""
TOO_LONG = "Some of what you wrote is too long to be shown here. The browser's way back leads to it."


class Notice(Record):
    """What a page says.

    Attributes:
        said: Sentences.
        refused: Whether the form was refused.
        form: Where it was sent.
        typed: Its fields, by name.
    """

    said: tuple[str, ...]
    refused: bool = False
    form: str = ""
    typed: tuple[tuple[str, str], ...] = ()

    @property
    def written(self) -> tuple[str, ...]:
        """What a person wrote into it."""
        return tuple(value for name, value in self.typed if name in WORDS and value.strip())


class RefusedForm(Exception):
    """A form that is refused, where another page than its own is to say so.

    Attributes:
        there: That page's address.
        said: What it says.
    """

    def __init__(self, there: str, said: str) -> None:
        super().__init__(said)
        self.there, self.said = there, said


def with_notice(request: Request, there: str, notice: Notice) -> str:
    """An address whose page says something."""
    said = tuple(each if len(each) <= MOST_SAID else f"{each[:MOST_SAID]}…" for each in notice.said)
    notice = notice.model_copy(update={"said": said})
    text = _packed(notice)
    if len(text) > MOST_CHARACTERS:
        said = (*said, TOO_LONG)
        while len(text) > MOST_CHARACTERS and notice.typed:
            longest = max(notice.typed, key=lambda field: len(field[1]))
            left = tuple(field for field in notice.typed if field is not longest)
            notice = notice.model_copy(update={"typed": left, "said": said})
            text = _packed(notice)
    parts = urlsplit(there)
    seal = desk_of(request).access.seal(request.state.session, text)
    query = [each for each in parse_qsl(parts.query, keep_blank_values=True) if each[0] != NOTICE]
    return urlunsplit(parts._replace(query=urlencode([*query, (NOTICE, f"{text}.{seal}")])))


def notice_of(request: Request) -> Notice | None:
    """What the page that is asked for is to say; None where nothing of ours is in its address."""
    text, _, seal = request.query_params.get(NOTICE, "").partition(".")
    if not text or not desk_of(request).access.is_sealed(request.state.session, text, seal):
        return None
    try:
        return Notice.model_validate_json(zlib.decompress(base64.urlsafe_b64decode(text)))
    except (ValueError, zlib.error, ValidationError):  # one of another version
        return None


def taken(request: Request, there: str, said: Iterable[str]) -> RedirectResponse:
    """On to a page after a form was taken."""
    return RedirectResponse(with_notice(request, there, Notice(said=tuple(said))), 303)


def refused(request: Request, said: str, *, there: str = "") -> RedirectResponse | None:
    """Back to the page of a form that is refused, which keeps what was typed; None where that is not known.

    Args:
        request: The form.
        said: What is wrong about it.
        there: The page that says so; the form's own where not given.
    """
    there = there or own_page(request)
    if request.method != "POST" or not there or not request.state.session:
        return None
    form = getattr(request.state, "form", None)
    sent = form.multi_items() if form is not None else []
    typed = tuple((name, value) for name, value in sent if isinstance(value, str) and name != "form_token")
    notice = Notice(said=(said,), refused=True, form=request.scope["path"], typed=typed)
    return RedirectResponse(with_notice(request, there, notice), 303)


def own_page(request: Request) -> str:
    """The page of ours that a form was sent from, as an address without a host; empty where none is named."""
    try:
        parts = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or parts.netloc.lower() != request.headers["host"].lower():
        return ""
    path = "/" + parts.path.lstrip("/\\")
    return path + (f"?{parts.query}" if parts.query else "")


def _packed(notice: Notice) -> str:
    packed = zlib.compress(notice.model_dump_json(exclude_defaults=True).encode("utf-8", "replace"), 9)
    return base64.urlsafe_b64encode(packed).decode()
