"""Looks through the folders of this machine for one to choose; nothing is opened, and nothing is changed."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fieldmark.errors import InputError
from fieldmark.studio.desk import desk_of
from fieldmark.studio.pages import concept_address, page, with_query
from fieldmark.studio.routes.concepts.found import Short, Text, concept_folder
from fieldmark.studio.routes.forms import checked_form
from fieldmark.tools.images.browse import look_into

Place = Annotated[str, Query(max_length=4000)]
router = APIRouter()


@router.get("/folders")
def folders(
    request: Request,
    to: Literal["new", "trial", "import"] = "new",
    concept: Annotated[str, Query(max_length=200)] = "",
    root: Annotated[int, Query(ge=-1, le=1000)] = -1,
    below: Place = "",
    called: Place = "",
    about: Place = "",
    balance: Annotated[int, Query(ge=-2, le=2)] = 0,
    vlm: Place = "",
) -> Response:
    """The folders in one, with those above it; without one, where to begin."""
    roots = desk_of(request).roots
    kept: dict[str, object] = {"to": to}
    if to == "trial":
        kept["concept"] = concept_folder(request, concept).path.name
    elif to == "new":
        kept |= {"called": called, "about": about, "balance": balance, "vlm": vlm}
    parts = tuple(filter(None, below.split("/")))
    try:
        look = look_into(roots, root, parts) if root >= 0 else None
    except InputError as error:
        raise HTTPException(404, error.message) from None
    form = {name: value for name, value in kept.items() if name != "to"}
    return page(
        request,
        "folders.html",
        to=to,
        concept=concept,
        roots=roots,
        root=root,
        look=look,
        place=lambda number, names: with_query("/folders", kept | {"root": number, "below": "/".join(names)}),
        chosen=with_query("/new-concept", form | {"folder": str(look.path)}) if look else "",
        back={"trial": concept_address(concept, "trial"), "import": "/"}.get(
            to, with_query("/new-concept", form)
        ),
        begin=with_query("/folders", kept),
    )


@router.post("/new-concept/folder", dependencies=[Depends(checked_form)])
def choose(
    called: Text = "", about: Text = "", balance: Annotated[int, Form(ge=-2, le=2)] = 0, vlm: Short = ""
) -> Response:
    """On to the folders from a new concept, with what was typed so far."""
    kept = {"to": "new", "called": called, "about": about, "balance": balance, "vlm": vlm}
    return RedirectResponse(with_query("/folders", kept), 303)
