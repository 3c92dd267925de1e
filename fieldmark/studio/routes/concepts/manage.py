"""Gives a concept another name, or deletes it; says beforehand what would be lost."""

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fieldmark.app.concepts.catalogue import delete_concept, rename_concept
from fieldmark.errors import InputError, RunError
from fieldmark.studio.desk import desk_of
from fieldmark.studio.pages import page
from fieldmark.studio.routes.concepts.found import Text, Yes, concept_folder
from fieldmark.studio.routes.forms import checked_form
from fieldmark.tools.concepts.folder import ConceptFolder

router = APIRouter(prefix="/concepts/{name}/manage")


@router.get("")
def manage(request: Request, name: str) -> Response:
    """Its name, and what it holds."""
    return show_manage(request, concept_folder(request, name))


def show_manage(
    request: Request,
    folder: ConceptFolder,
    *,
    status: int = 200,
    wrong: str = "",
    told: tuple[str, ...] | None = None,
) -> Response:
    """The same, with what is wrong about a change, or what still has the old name."""
    summary = desk_of(request).concepts.summary(folder)
    return page(
        request,
        "concepts/manage.html",
        status=status,
        folder=folder.path.name,
        each=summary,
        wrong=wrong,
        stale=told,
    )


@router.post("/rename", dependencies=[Depends(checked_form)])
def renamed(request: Request, name: str, to: Text = "") -> Response:
    """Give it another name; all that was said stays."""
    desk, folder = desk_of(request), concept_folder(request, name)
    try:
        with desk.concepts.alone(folder):
            summary, told = rename_concept(folder.load().name, to, home=desk.home)
    except (InputError, RunError) as error:
        return show_manage(request, folder, status=409, wrong=f"{error.message} {error.hint}")
    return show_manage(request, ConceptFolder(folder.path.parent / summary.folder_name), told=told)


@router.post("/delete", dependencies=[Depends(checked_form)])
def deleted(request: Request, name: str, sure: Yes = False) -> Response:
    """Delete it for good, where the one who asks has seen what is lost."""
    desk, folder = desk_of(request), concept_folder(request, name)
    if not sure:
        return show_manage(request, folder, status=409, wrong="Say that you have read what is lost.")
    try:
        with desk.concepts.alone(folder):
            delete_concept(folder.load().name, home=desk.home)
    except (InputError, RunError) as error:
        return show_manage(request, folder, status=409, wrong=f"{error.message} {error.hint}")
    return RedirectResponse("/", 303)
