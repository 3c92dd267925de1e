"""The definition and the answers behind it, changed by hand."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.studio.routes.concepts.found import concept_folder, framed
from fieldmark.tools.concepts.changes import settled_answers

router = APIRouter(prefix="/concepts/{name}/definition")


@router.get("")
def definition(request: Request, name: str) -> Response:
    """Clauses and answers, to be changed."""
    folder = concept_folder(request, name)
    concept = folder.load()
    return framed(
        request, "concepts/definition.html", folder, concept, answers=list(settled_answers(concept).items())
    )
