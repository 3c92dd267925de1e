"""What the pages of a concept's classifier have in common: its tabs, and where a change leads."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fieldmark.studio.notice import taken
from fieldmark.studio.pages import concept_address, page
from fieldmark.tools.concepts.folder import ConceptFolder


def framed(request: Request, template: str, folder: ConceptFolder, **values: Any) -> Response:
    """A page of the concept, with its tabs."""
    base = concept_address(folder.path.name)
    return page(request, template, base=base, concept=folder.load(), **values)


def back_to(
    request: Request, folder: ConceptFolder, *parts: str, told: Sequence[str] = (), **query: object
) -> Response:
    """On to a page of the concept after something was done, with sentences on what that led to."""
    there = concept_address(folder.path.name, *parts, **query)
    return taken(request, there, told) if told else RedirectResponse(there, 303)
