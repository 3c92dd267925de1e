"""Puts the studio together: its addresses, what an error looks like, and the guard before all of it."""

import logging

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from fieldmark.app.jobs.photographs import too_large
from fieldmark.errors import FieldmarkError
from fieldmark.studio.desk import Desk
from fieldmark.studio.guard import UPLOADS, Guard, TooLargeError
from fieldmark.studio.notice import RefusedForm, refused
from fieldmark.studio.pages import page, path_to
from fieldmark.studio.routes import (
    downloads,
    entry,
    folders,
    home,
    images,
    jobs,
    labels,
    managing,
    reports,
    static,
    storage,
)
from fieldmark.studio.routes.concepts import (
    blind,
    board,
    build,
    definition,
    history,
    manage,
    new,
    pictures,
    talk,
    trial,
    verdicts,
    worth,
)

logger = logging.getLogger(__name__)

TITLES = {403: "Not allowed", 404: "Not found", 409: "Not possible now", 413: "Too much"}


def make_studio(desk: Desk) -> ASGIApp:
    """The studio as an ASGI application.

    Args:
        desk: What its pages work with.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = desk
    for each in (
        static,
        entry,
        home,
        storage,
        folders,
        downloads,
        images,
        labels,
        managing,
        reports,
        jobs,
    ):
        app.include_router(each.router)
    for each in (
        new,
        blind,
        board,
        build,
        definition,
        history,
        manage,
        pictures,
        talk,
        trial,
        verdicts,
        worth,
    ):
        app.include_router(each.router)
    app.add_exception_handler(FieldmarkError, _told)
    app.add_exception_handler(RefusedForm, _sent_elsewhere)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(TooLargeError, _too_large)
    app.add_exception_handler(Exception, _broken)
    return Guard(app, desk.access)


def _told(request: Request, error: Exception) -> Response:
    """An error of ours: its own words say what to do."""
    said, hint = (error.message, error.hint) if isinstance(error, FieldmarkError) else (str(error), "")
    return _said(request, 409, said, hint)


def _sent_elsewhere(request: Request, error: Exception) -> Response:
    """A form whose answer another page tells."""
    there = error.there if isinstance(error, RefusedForm) else ""
    return refused(request, str(error), there=there) or _said(request, 409, str(error), "")


def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error.__cause__, TooLargeError):  # met while a form was read
        return _too_large(request, error)
    status, said = (error.status_code, str(error.detail)) if isinstance(error, HTTPException) else (500, "")
    if status == 405 and request.method == "GET":
        # The address of a form, typed or loaded again: its page is one step up.
        return RedirectResponse(path_to(*request.scope["path"].split("/")[1:-1]) or "/", 303)
    if status == 404 and said == "Not Found":
        said = "There is no such page."
    return _said(request, status, said, "")


def _misread(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    names = ", ".join(f"{each['loc'][-1]} ({each['msg'][:1].lower()}{each['msg'][1:]})" for each in found)
    said = "This address or form holds something that the page cannot take"
    return _said(request, 400, f"{said}: {names}." if names else f"{said}.", "")


def _too_large(request: Request, error: Exception) -> Response:
    if request.url.path.endswith(UPLOADS):
        return _said(request, 413, too_large().message, too_large().hint)
    return _said(request, 413, "That is more than a form can hold.", "")


def _broken(request: Request, error: Exception) -> Response:
    """A fault of ours: what happened stands in the log, not in the page."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _said(request, 500, "Something went wrong here.", "The terminal of the studio says what.")


def _said(request: Request, status: int, message: str, hint: str) -> Response:
    if (back := refused(request, f"{message} {hint}".strip())) is not None:
        return back
    title = TITLES.get(status, "That did not work")
    return page(request, "error.html", status=status, title=title, message=message, hint=hint)
