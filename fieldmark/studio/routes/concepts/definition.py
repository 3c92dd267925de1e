"""The definition and the answers behind it, changed by hand."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.app.concepts.editing import HandEdits, edit_concept
from fieldmark.errors import InputError, RunError
from fieldmark.studio.desk import desk_of
from fieldmark.studio.routes.concepts.found import Short, Text, concept_folder, framed
from fieldmark.studio.routes.forms import checked_form
from fieldmark.tools.concepts.changes import settled_answers
from fieldmark.tools.concepts.folder import ConceptFolder

Texts = Annotated[list[str], Form(max_length=100)]
router = APIRouter(prefix="/concepts/{name}/definition")


@router.get("")
def definition(request: Request, name: str) -> Response:
    """Clauses and answers, to be changed."""
    return show_definition(request, concept_folder(request, name))


def show_definition(
    request: Request,
    folder: ConceptFolder,
    *,
    status: int = 200,
    wrong: str = "",
    wrote: tuple[str, ...] = (),
    stale: tuple[str, ...] | None = None,
) -> Response:
    """Clauses and answers, with what is wrong about a change, or what does not know of it."""
    concept = folder.load()
    return framed(
        request,
        "concepts/definition.html",
        folder,
        concept,
        status=status,
        wrong=wrong,
        words=wrote,
        stale=stale,
        answers=list(settled_answers(concept).items()),
    )


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
    wrote = (*(f"{each}" for each in text), new_text)
    return changed(request, concept_folder(request, name), changes, wrote)


@router.post("/answers", dependencies=[Depends(checked_form)])
def answered(
    request: Request, name: str, number: Annotated[int, Form(ge=1, le=10_000)], answer: Text = ""
) -> Response:
    """Put an answer to an earlier question right; an empty one takes it back."""
    return changed(request, concept_folder(request, name), HandEdits(answers={number: answer}), (answer,))


def changed(request: Request, folder: ConceptFolder, changes: HandEdits, wrote: tuple[str, ...]) -> Response:
    """Make changes, and show the definition with what came of them."""
    desk = desk_of(request)
    try:
        with desk.concepts.alone(folder):
            done = edit_concept(folder.load().name, changes, home=desk.home)
    except (InputError, RunError) as error:
        said = f"{error.message} {error.hint}"
        return show_definition(request, folder, status=409, wrong=said, wrote=tuple(filter(None, wrote)))
    return show_definition(request, folder, stale=done.stale)
