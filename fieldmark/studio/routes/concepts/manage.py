"""Gives a concept another name, or deletes it; says beforehand what would be lost."""

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fieldmark.app.concepts.catalogue import delete_concept, rename_concept
from fieldmark.errors import InputError
from fieldmark.studio.desk import desk_of
from fieldmark.studio.notice import taken
from fieldmark.studio.pages import concept_address, page
from fieldmark.studio.routes.concepts.found import Text, Yes, concept_folder
from fieldmark.studio.routes.forms import checked_form

router = APIRouter(prefix="/concepts/{name}/manage")


@router.get("")
def manage(request: Request, name: str) -> Response:
    """Its name, and what it holds."""
    folder = concept_folder(request, name)
    summary = desk_of(request).concepts.summary(folder)
    base = concept_address(folder.path.name, "manage")
    return page(request, "manage.html", folder=folder.path.name, base=base, each=summary)


@router.post("/rename", dependencies=[Depends(checked_form)])
def renamed(request: Request, name: str, to: Text = "") -> Response:
    """Give it another name; all that was said stays."""
    desk, folder = desk_of(request), concept_folder(request, name)
    with desk.concepts.alone(folder):
        summary, told = rename_concept(folder.load().name, to, home=desk.home)
    there = concept_address(summary.folder_name, "manage")
    return taken(request, there, (f"It is called {summary.name!r} now.", *told))


@router.post("/delete", dependencies=[Depends(checked_form)])
def deleted(request: Request, name: str, sure: Yes = False) -> Response:
    """Delete it for good, where the one who asks has seen what is lost."""
    desk, folder = desk_of(request), concept_folder(request, name)
    if not sure:
        raise InputError("Say that you have read what is lost.")
    with desk.concepts.alone(folder):
        delete_concept(folder.load().name, home=desk.home)
    return RedirectResponse("/", 303)
