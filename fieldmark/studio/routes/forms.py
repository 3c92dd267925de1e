"""What every form must hold: the token of its visitor's session."""

from typing import Annotated

from fastapi import Form, HTTPException
from starlette.requests import Request

from fieldmark.studio.desk import desk_of


def checked_form(request: Request, form_token: Annotated[str, Form(max_length=200)] = "") -> None:
    """Refuse a form that no page of this visitor's session made.

    Raises:
        HTTPException: It is such a form.
    """
    session = request.state.session
    if not session or not desk_of(request).access.is_form_token(session, form_token):
        raise HTTPException(403, "This form is no longer valid. Go back, load the page again, and repeat it.")
