"""The blind test: pictures and nothing else, one or a few at a time; labels are noted at once."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.agents.define.waiting import keep_reply
from fieldmark.app.concepts.editing import LABELS
from fieldmark.app.concepts.stepwise.blind import BlindTest, note_blind_labels
from fieldmark.app.concepts.stepwise.talk import Talk
from fieldmark.errors import InputError
from fieldmark.records import LabelValue
from fieldmark.records.conversation import BlindBatch, LabelReply
from fieldmark.studio.desk import desk_of
from fieldmark.studio.pages import concept_address, page
from fieldmark.studio.routes.concepts.found import Short, concept_folder, go_on, in_hand, kept
from fieldmark.studio.routes.forms import checked_form

router = APIRouter(prefix="/concepts/{name}/blind")


@router.get("")
def blind(
    request: Request,
    name: str,
    picture: Annotated[str, Query(max_length=64)] = "",
    view: Literal["", "grid"] = "",
) -> Response:
    """The next picture of the blind test, or the one that was asked for, or the next few."""
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
        grid=view == "grid" and not picture,
        image=picture if picture in test.labels else test.next_image,
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

    def keep() -> str:
        with desk_of(request).concepts.alone(folder):
            note_blind_labels(folder, {image: value})
        return concept_address(name, "blind")

    return kept(folder, keep, "blind")


@router.post("/grid", dependencies=[Depends(checked_form)])
def label_some(request: Request, name: str) -> Response:
    """Note the labels of a few pictures: a field is called as its picture; what is open is not sent."""
    folder = concept_folder(request, name)
    form: FormData = request.state.form
    words: dict[object, LabelValue] = {each: each for each in LABELS}
    given: dict[str, LabelValue] = {
        image: value for image, said in form.items() if image != "form_token" and (value := words.get(said))
    }

    def keep() -> str:
        if not given:
            raise InputError("Nothing was chosen.", hint="Say of at least one picture whether it is in.")
        with desk_of(request).concepts.alone(folder):
            note_blind_labels(folder, given)
        return concept_address(name, "blind", view="grid")

    return kept(folder, keep, "blind", view="grid")


@router.post("/later", dependencies=[Depends(checked_form)])
def later(request: Request, name: str, turn: Short) -> Response:
    """Leave the rest for another day: the conversation ends without it."""
    folder = concept_folder(request, name)

    def keep() -> str:
        with in_hand(request, folder, turn, BlindBatch) as question:
            keep_reply(folder, question, LabelReply(later=True))
        return go_on(request, folder)

    return kept(folder, keep)
