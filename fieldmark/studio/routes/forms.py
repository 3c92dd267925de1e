"""What every form must hold, the token of its visitor's session; and paths that are typed into one."""

from pathlib import Path
from typing import Annotated

from fastapi import Form, HTTPException
from starlette.requests import Request

from fieldmark.errors import InputError
from fieldmark.studio.desk import desk_of


async def checked_form(request: Request, form_token: Annotated[str, Form(max_length=200)] = "") -> None:
    """Refuse a form that no page of this visitor's session made; its fields are in `request.state.form`.

    Raises:
        HTTPException: It is such a form.
    """
    session, request.state.form = request.state.session, await request.form()
    if not session or not desk_of(request).access.is_form_token(session, form_token):
        raise HTTPException(403, "This form was no longer valid, and nothing was noted. Send it once more.")


def typed_path(said: str) -> Path:
    """A path that somebody typed, ~ being a home folder; it need not be there.

    Raises:
        InputError: No path can be like that, or it begins in the home folder of nobody.
    """
    plain = said.strip()
    if "\0" in plain:
        raise InputError(f"{plain!r} is no path.", hint="Type it again.")
    try:
        return Path(plain).expanduser()
    except RuntimeError:
        raise InputError(
            f"Nobody on this machine has the home folder {plain.partition('/')[0]!r}.",
            hint="Give the full path.",
        ) from None
