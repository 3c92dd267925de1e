"""Lets a visitor in who shows the token."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fieldmark.studio.desk import desk_of
from fieldmark.studio.guard import ENTER, cookie_of
from fieldmark.studio.notice import own_page
from fieldmark.studio.pages import page

WRONG_S = 0.5
"""How long a wrong token takes, in seconds."""

router = APIRouter()


@router.get(ENTER)
async def enter(request: Request, token: str = "", wrong: bool = False) -> Response:
    """The page that asks for the token; a link with it lets in at once."""
    return await _entered(request, token) if token else page(request, "enter.html", wrong=wrong)


@router.post(ENTER)
async def entered(request: Request, token: Annotated[str, Form(max_length=400)] = "") -> Response:
    """Take the token of a visitor, who has no session yet and so no form token."""
    return await _entered(request, token)


async def _entered(request: Request, token: str) -> Response:
    access = desk_of(request).access
    if not access.is_token(token):
        await asyncio.sleep(WRONG_S)
        if request.method == "POST" and own_page(request):
            return RedirectResponse(f"{ENTER}?wrong=yes", status_code=303)
        return page(request, "enter.html", status=403, wrong=True)
    answer = RedirectResponse("/", status_code=303)
    answer.headers.append("set-cookie", cookie_of(access.new_session()))
    return answer
