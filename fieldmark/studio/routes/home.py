"""The first page: concepts and runs, each with the next step."""

import shlex

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.app.concepts.making import read_wish
from fieldmark.app.review.results import list_results
from fieldmark.studio.desk import desk_of
from fieldmark.studio.pages import page

router = APIRouter()


@router.get("/")
def home(request: Request) -> Response:
    """The concepts on this machine and the runs, as cards."""
    desk = desk_of(request)
    return page(
        request,
        "home.html",
        runs=desk.runs.summaries(),
        results=list_results(desk.runs.folder),
        folder=str(desk.runs.folder),
        parent=shlex.quote(str(desk.runs.folder)),
        concepts=[(each.folder_name, each) for each in desk.concepts.summaries()],
        unmade=[(each.path.name, read_wish(each.path)) for each in desk.concepts.unmade()],
    )
