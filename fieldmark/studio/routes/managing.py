"""Gives a run another name, or deletes it; says beforehand what would be lost."""

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.app.jobs.managing import delete_run, holding, rename_run, run_to_manage
from fieldmark.errors import InputError
from fieldmark.studio.desk import desk_of
from fieldmark.studio.notice import taken
from fieldmark.studio.pages import page, path_to
from fieldmark.studio.routes.concepts.found import Text, Yes
from fieldmark.studio.routes.forms import checked_form
from fieldmark.tools.runs.folder import RunFolder

router = APIRouter(prefix="/runs/{run_id}/manage")


@router.get("")
def manage(request: Request, run_id: str) -> Response:
    """Its name, and what it holds."""
    return page(
        request, "manage.html", each=holding(_run(request, run_id)), base=path_to("runs", run_id, "manage")
    )


@router.post("/rename", dependencies=[Depends(checked_form)])
def renamed(request: Request, run_id: str, to: Text = "") -> Response:
    """Give it another name; an empty one takes it back."""
    name = rename_run(_run(request, run_id), to)
    told = f"It is called {name!r} now." if name else "It has no name of its own any more."
    return taken(request, path_to("runs", run_id, "manage"), [told])


@router.post("/delete", dependencies=[Depends(checked_form)])
def deleted(request: Request, run_id: str, sure: Yes = False) -> Response:
    """Delete it for good, where the one who asks has seen what is lost."""
    run = _run(request, run_id)
    if not sure:
        raise InputError("Say that you have read what is lost.")
    delete_run(run)
    return taken(request, "/", [f"The run {run_id} is deleted."])


def _run(request: Request, run_id: str) -> RunFolder:
    try:
        return run_to_manage(desk_of(request).runs.folder, run_id)
    except InputError as error:
        raise HTTPException(404, error.message) from None
