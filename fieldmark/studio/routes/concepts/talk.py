"""The conversation: shows what waits, keeps an answer to a question, and has the conversation go on."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fieldmark.agents.define.hearing import Slip, read_answer
from fieldmark.agents.define.waiting import keep_reply
from fieldmark.app.concepts.making import read_wish
from fieldmark.app.concepts.stepwise.blind import is_complete
from fieldmark.app.concepts.stepwise.talk import Talk
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    EditOffer,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
)
from fieldmark.studio.desk import desk_of
from fieldmark.studio.notice import NOTICE
from fieldmark.studio.pages import concept_address
from fieldmark.studio.routes.concepts.board import show_board
from fieldmark.studio.routes.concepts.found import (
    Short,
    Text,
    Yes,
    concept_folder,
    framed,
    go_on,
    in_hand,
    kept,
)
from fieldmark.studio.routes.concepts.new import show_making
from fieldmark.studio.routes.concepts.verdicts import show_offer, show_reveal
from fieldmark.studio.routes.forms import checked_form
from fieldmark.tools.concepts.folder import ConceptFolder

router = APIRouter(prefix="/concepts/{name}")


@router.get("")
def talk(
    request: Request,
    name: str,
    said: Annotated[str, Query(max_length=4000)] = "",
    picture: Annotated[str, Query(max_length=64)] = "",
    zoom: bool = False,
) -> Response:
    """Whatever waits: a question, a board, verdicts, an edit, or that somebody has it go on."""
    folder = concept_folder(request, name)
    going = desk_of(request).talks.going(folder.path)
    if not folder.exists:
        return show_making(request, folder, going)
    concept = folder.load()
    if going.on:
        return framed(request, "concepts/working.html", folder, concept, going=going)
    found = Talk.of(folder, concept)
    match found.question:
        case ScopeQuestion() as question:
            return show_question(request, folder, found, question, said)
        case BoardToLabel() as question:
            return show_board(request, folder, found, question, picture, zoom=zoom)
        case VerdictReveal() as question:
            return show_reveal(request, folder, found, question)
        case EditOffer() as question:
            return show_offer(request, folder, found, question)
        case BlindBatch() if not is_complete(concept, desk_of(request).concepts.pool(folder)):
            there = concept_address(name, "blind", notice=request.query_params.get(NOTICE))
            return RedirectResponse(there, 303)
        case _:
            wished = read_wish(folder.path)
            left_out = wished.skipped if wished else ()
            return framed(
                request, "concepts/rest.html", folder, concept, found, going=going, skipped=left_out
            )


def show_question(
    request: Request, folder: ConceptFolder, found: Talk, question: ScopeQuestion, said: str
) -> Response:
    """A question about the concept; free text is read back before it counts."""
    read = _read(said, question.options) if said.strip() else ""
    return framed(
        request,
        "concepts/question.html",
        folder,
        folder.load(),
        found,
        question=question,
        said=said,
        slip=read.says if isinstance(read, Slip) else "",
        understood=read if isinstance(read, str) else "",
    )


@router.post("/answer", dependencies=[Depends(checked_form)])
def answer(request: Request, name: str, turn: Short, answer: Text = "", stop: Yes = False) -> Response:
    """Keep an answer to a question; an empty one skips it."""
    folder, reply = concept_folder(request, name), ScopeReply(answer=answer.strip(), stop=stop)

    def keep() -> str:
        with in_hand(request, folder, turn, ScopeQuestion) as question:
            keep_reply(folder, question, reply)
        return go_on(request, folder)

    return kept(folder, keep, said=reply)


@router.post("/on", dependencies=[Depends(checked_form)])
def on(request: Request, name: str, more: Yes = False) -> Response:
    """Have the conversation go on: begin it, take in what was kept, or begin a further one."""
    return RedirectResponse(go_on(request, concept_folder(request, name), more=more), 303)


def _read(said: str, options: Sequence[str]) -> str | Slip:
    """What was typed under buttons that are numbered: a number is the answer on its button."""
    plain = said.strip()
    if plain in options:
        return plain
    bare = plain.strip("() .:")
    if len(bare) == 1 and bare in "123456789" and int(bare) <= len(options):
        return options[int(bare) - 1]
    read = read_answer(said, options)
    if isinstance(read, str):
        return read
    numbers = f" The answers are numbered 1 to {len(options)}." if len(options) > 1 else ""
    return Slip(f"{plain!r} is no answer here.{numbers} Your own words take more than one sign.")
