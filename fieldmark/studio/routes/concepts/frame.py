"""What the pages of a concept's classifier have in common: its tabs, and what a change led to."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fieldmark.studio.desk import desk_of
from fieldmark.studio.pages import concept_address, page
from fieldmark.tools.concepts.folder import ConceptFolder


def framed(
    request: Request, template: str, folder: ConceptFolder, *, status: int = 200, **values: Any
) -> Response:
    """A page of the concept, with its tabs and with what the last change led to."""
    asked = request.query_params
    told = asked.get("told", "")
    sealed = desk_of(request).access.is_sealed(request.state.session, told, asked.get("seal", ""))
    return page(
        request,
        template,
        status=status,
        base=concept_address(folder.path.name),
        concept=folder.load(),
        told=told.split("\n") if told and sealed else [],
        **values,
    )


def back_to(
    request: Request, folder: ConceptFolder, *parts: str, told: Sequence[str] = (), **query: object
) -> Response:
    """On to a page of the concept after something was done, with sentences on what that led to.

    The sentences go through the address, with a seal: nobody else can have a page of ours say something.
    """
    if told:
        text = "\n".join(told)
        query |= {"told": text, "seal": desk_of(request).access.seal(request.state.session, text)}
    return RedirectResponse(concept_address(folder.path.name, *parts, **query), 303)
