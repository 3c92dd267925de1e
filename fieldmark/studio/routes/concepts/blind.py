"""The blind test: pictures and nothing else; each label is noted at once."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fieldmark.app.concepts.blind import BlindTest, note_blind_label
from fieldmark.errors import RunError
from fieldmark.studio.desk import desk_of
from fieldmark.studio.pages import concept_address, page
from fieldmark.studio.routes.concepts.found import TOLD, Short, concept_folder
from fieldmark.studio.routes.forms import checked_form

router = APIRouter(prefix="/concepts/{name}/blind")


@router.get("")
def blind(
    request: Request,
    name: str,
    picture: Annotated[str, Query(max_length=64)] = "",
    told: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """The next picture of the blind test, or the one that was asked for."""
    folder = concept_folder(request, name)
    test = BlindTest.of_concept(folder.load(), desk_of(request).concepts.pool(folder))
    return page(
        request,
        "concepts/blind.html",
        folder=name,
        concept=folder.load(),
        test=test,
        image=picture if picture in test.labels else test.next_image,
        told=TOLD.get(told, ""),
    )


@router.post("", dependencies=[Depends(checked_form)])
def label(
    request: Request,
    name: str,
    image: Short,
    value: Annotated[Literal["in", "out", "unsure"], Form()],
) -> Response:
    """Note the label of one picture, and go to the next one."""
    folder = concept_folder(request, name)
    try:
        with desk_of(request).concepts.alone(folder):
            note_blind_label(folder, image, value)
    except RunError:
        return RedirectResponse(concept_address(name, "blind", told="busy"), 303)
    return RedirectResponse(concept_address(name, "blind"), 303)
