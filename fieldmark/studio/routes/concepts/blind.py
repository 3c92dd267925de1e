"""The blind test: pictures and nothing else; each label is noted at once."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fieldmark.agents.define.waiting import keep_reply
from fieldmark.app.concepts.blind import BlindTest, note_blind_label
from fieldmark.app.concepts.talk import Talk
from fieldmark.errors import RunError
from fieldmark.records.conversation import BlindBatch, LabelReply
from fieldmark.studio.desk import desk_of
from fieldmark.studio.pages import concept_address, page
from fieldmark.studio.routes.concepts.found import TOLD, Short, concept_folder, go_on, in_hand, kept
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
    concept = folder.load()
    test = BlindTest.of_concept(concept, desk_of(request).concepts.pool(folder))
    waits = Talk.of(folder, concept).question
    return page(
        request,
        "concepts/blind.html",
        folder=name,
        concept=concept,
        test=test,
        image=picture if picture in test.labels else test.next_image,
        told=TOLD.get(told, ""),
        # The conversation asks for the test at its end; it may be labelled before that, too.
        question=waits if isinstance(waits, BlindBatch) else None,
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


@router.post("/later", dependencies=[Depends(checked_form)])
def later(request: Request, name: str, turn: Short) -> Response:
    """Leave the rest for another day: the conversation ends without it."""
    folder = concept_folder(request, name)

    def keep() -> str:
        with in_hand(request, folder, turn, BlindBatch) as question:
            keep_reply(folder, question, LabelReply(later=True))
        return go_on(request, folder)

    return kept(folder, keep)
