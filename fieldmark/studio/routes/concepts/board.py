"""A board: its pictures one by one, each label kept at once; sent as a whole when it was read back."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.agents.define.waiting import keep_reply
from fieldmark.app.concepts.stepwise.drafting import DraftedLabels, draft_label, reasons_given, undo_label
from fieldmark.app.concepts.stepwise.talk import Talk
from fieldmark.records.conversation import BoardToLabel
from fieldmark.studio.pages import concept_address
from fieldmark.studio.routes.concepts.found import Short, Yes, concept_folder, framed, go_on, in_hand, kept
from fieldmark.studio.routes.forms import checked_form
from fieldmark.tools.concepts.folder import ConceptFolder

Value = Annotated[Literal["in", "out", "unsure"] | None, Form()]
router = APIRouter(prefix="/concepts/{name}")


@dataclass(frozen=True)
class Place:
    """The picture of a board that is looked at.

    Attributes:
        image: Its content hash.
        number: Its place, from 1.
        before: The picture on its left; None where there is none.
        behind: The picture on its right; None where there is none.
    """

    image: str
    number: int
    before: str | None
    behind: str | None


def place_of(images: tuple[str, ...], image: str) -> Place:
    """Where a picture is."""
    at = images.index(image)
    return Place(
        image,
        at + 1,
        images[at - 1] if at else None,
        images[at + 1] if at + 1 < len(images) else None,
    )


def show_board(
    request: Request,
    folder: ConceptFolder,
    found: Talk,
    question: BoardToLabel,
    picture: str,
    *,
    zoom: bool,
) -> Response:
    """A board: the picture that was asked for, else the first without a label, else all to be read back."""
    drafted, concept = DraftedLabels.of(folder, question), folder.load()
    image = picture if picture in question.images else next(iter(drafted.missing), None)
    return framed(
        request,
        "concepts/board.html",
        folder,
        concept,
        found,
        question=question,
        drafted=drafted,
        place=place_of(question.images, image) if image else None,
        reasons=reasons_given(concept),
        zoom=zoom,
    )


@router.post("/label", dependencies=[Depends(checked_form)])
def label(
    request: Request,
    name: str,
    turn: Short,
    image: Short,
    value: Value = None,
    reason: Annotated[str | None, Form(max_length=1000)] = None,
) -> Response:
    """Keep a label of one picture, or a reason for it, and go to the next picture."""
    folder = concept_folder(request, name)

    def keep() -> str:
        with in_hand(request, folder, turn, BoardToLabel) as question:
            drafted = draft_label(folder, question, image, value=value, reason=reason)
        # After a reason the picture stays: there may be more to say of it.
        behind = drafted.after(image) if value is not None else image
        return concept_address(name, picture=behind)

    return kept(folder, keep)


@router.post("/undo", dependencies=[Depends(checked_form)])
def undo(request: Request, name: str, turn: Short, image: Short) -> Response:
    """Take the last label back, that of this picture, and go to it."""
    folder = concept_folder(request, name)

    def keep() -> str:
        with in_hand(request, folder, turn, BoardToLabel) as question:
            undo_label(folder, question, image)
        return concept_address(name, picture=image)

    return kept(folder, keep)


@router.post("/board", dependencies=[Depends(checked_form)])
def board(request: Request, name: str, turn: Short, stop: Yes = False) -> Response:
    """Send the labels of a board."""
    folder = concept_folder(request, name)

    def keep() -> str:
        with in_hand(request, folder, turn, BoardToLabel) as question:
            keep_reply(folder, question, DraftedLabels.of(folder, question).reply(stop=stop))
        return go_on(request, folder)

    return kept(folder, keep)
