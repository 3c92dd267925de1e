"""The definition and the answers behind it, changed by hand."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.app.concepts.editing import HandEdits, edit_concept
from fieldmark.errors import InputError
from fieldmark.studio.desk import desk_of
from fieldmark.studio.notice import taken
from fieldmark.studio.pages import concept_address
from fieldmark.studio.routes.concepts.found import Short, Text, concept_folder, framed
from fieldmark.studio.routes.forms import checked_form
from fieldmark.tools.concepts.changes import settled_answers
from fieldmark.tools.concepts.folder import ConceptFolder

Texts = Annotated[list[str], Form(max_length=100)]
router = APIRouter(prefix="/concepts/{name}/definition")


@router.get("")
def definition(request: Request, name: str) -> Response:
    """Clauses and answers, to be changed."""
    folder = concept_folder(request, name)
    concept = folder.load()
    answers = list(settled_answers(concept).items())
    return framed(request, "concepts/definition.html", folder, concept, answers=answers)


@router.post("", dependencies=[Depends(checked_form)])
def edited(
    request: Request,
    name: str,
    version: Annotated[int, Form(ge=0)],
    clause: Texts = [],  # noqa: B006 (FastAPI copies it)
    role: Texts = [],  # noqa: B006
    text: Texts = [],  # noqa: B006
    drop: Texts = [],  # noqa: B006
    new_role: Short = "necessary",
    new_text: Text = "",
    why: Text = "",
) -> Response:
    """Change clauses: all of it, or nothing."""
    if not len(clause) == len(role) == len(text):
        raise InputError("This form is not whole.", hint="Load the page again.")
    reworded = {
        each: f"{its_role}: {its_text}"
        for each, its_role, its_text in zip(clause, role, text, strict=True)
        if each not in drop
    }
    added = (f"{new_role}: {new_text}",) if new_text.strip() else ()
    changes = HandEdits(add=added, reword=reworded, drop=tuple(drop), why=why, version=version)
    return changed(request, concept_folder(request, name), changes)


@router.post("/answers", dependencies=[Depends(checked_form)])
def answered(
    request: Request, name: str, number: Annotated[int, Form(ge=1, le=10_000)], answer: Text = ""
) -> Response:
    """Put an answer to an earlier question right; an empty one takes it back."""
    return changed(request, concept_folder(request, name), HandEdits(answers={number: answer}))


def changed(request: Request, folder: ConceptFolder, changes: HandEdits) -> Response:
    """Make changes, and have the definition say what came of them."""
    desk = desk_of(request)
    with desk.concepts.alone(folder):
        done = edit_concept(folder.load().name, changes, home=desk.home)
    noted = f"Noted. Version {folder.load().current} is in force."
    return taken(request, concept_address(folder.path.name, "definition"), (noted, *done.stale))
