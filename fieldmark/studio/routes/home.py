"""The first page: runs with the next step, concepts with the command that goes on."""

import shlex

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.app.concepts.named import concept_names
from fieldmark.studio.desk import desk_of
from fieldmark.studio.pages import page

router = APIRouter()


@router.get("/")
def home(request: Request) -> Response:
    """Runs of `classify` as cards, and the concepts on this machine."""
    desk = desk_of(request)
    return page(
        request,
        "home.html",
        runs=desk.runs.summaries(),
        folder=str(desk.runs.folder),
        parent=shlex.quote(str(desk.runs.folder)),
        concepts=[(name, shlex.quote(name)) for name in concept_names(home=desk.home)],
    )
