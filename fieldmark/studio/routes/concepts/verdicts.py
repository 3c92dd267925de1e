"""Where owner and model differ, and what would mend the definition; keeps what is said to both."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.agents.define.binding import plain
from fieldmark.agents.define.waiting import keep_reply
from fieldmark.app.concepts.stepwise.drafting import draft_response, drafted_responses, reveal_reply
from fieldmark.app.concepts.stepwise.talk import Talk
from fieldmark.records.conversation import EditOffer, OfferReply, VerdictReveal
from fieldmark.records.conversation import Response as Said
from fieldmark.studio.pages import concept_address
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
from fieldmark.studio.routes.forms import checked_form
from fieldmark.tools.concepts.folder import ConceptFolder

router = APIRouter(prefix="/concepts/{name}")


def show_reveal(request: Request, folder: ConceptFolder, found: Talk, question: VerdictReveal) -> Response:
    """The pictures on which owner and model differ, with what was said of them so far."""
    return framed(
        request,
        "concepts/verdicts.html",
        folder,
        folder.load(),
        found,
        question=question,
        texts={clause.id: clause for clause in question.clauses},
        given=drafted_responses(folder, question),
    )


@router.post("/response", dependencies=[Depends(checked_form)])
def response(
    request: Request,
    name: str,
    turn: Short,
    image: Short,
    kind: Annotated[Literal["reason", "model_wrong", "nothing"] | None, Form()] = None,
    change: Annotated[Literal["in", "out", "unsure"] | None, Form()] = None,
    reason: Text = "",
    clause: Annotated[list[str], Form(max_length=200)] = [],  # noqa: B006 (FastAPI copies it)
) -> Response:
    """Keep what is said to one disagreement."""
    folder = concept_folder(request, name)

    def keep() -> str:
        said = None
        if change is not None:
            said = Said(image=image, kind="relabel", value=change, reason=reason.strip())
        elif kind == "model_wrong":
            said = Said(image=image, kind=kind, reason=reason.strip(), clauses=tuple(dict.fromkeys(clause)))
        elif kind == "reason":
            said = Said(image=image, kind=kind, reason=reason.strip())
        with in_hand(request, folder, turn, VerdictReveal) as question:
            draft_response(folder, question, image, said)
        return f"{concept_address(name)}#picture-{image[:12]}"

    return kept(folder, keep)


@router.post("/verdicts", dependencies=[Depends(checked_form)])
def verdicts(request: Request, name: str, turn: Short, stop: Yes = False) -> Response:
    """Send what was said to the verdicts."""
    folder = concept_folder(request, name)

    def keep() -> str:
        with in_hand(request, folder, turn, VerdictReveal) as question:
            keep_reply(folder, question, reveal_reply(folder, question, stop=stop))
        return go_on(request, folder)

    return kept(folder, keep)


def show_offer(request: Request, folder: ConceptFolder, found: Talk, question: EditOffer) -> Response:
    """An edit of the definition, before and after."""
    return framed(request, "concepts/offer.html", folder, folder.load(), found, question=question)


@router.post("/offer", dependencies=[Depends(checked_form)])
def offer(
    request: Request,
    name: str,
    turn: Short,
    accept: Annotated[bool, Form()],
    reason: Text = "",
    words: Text = "",
) -> Response:
    """Accept an edit, in its own words or in others, or decline it."""
    folder = concept_folder(request, name)

    def keep() -> str:
        with in_hand(request, folder, turn, EditOffer) as question:
            # Words that are those offered are no words of the owner's own.
            own = "" if plain(words) == plain(question.edit.clause.text) else " ".join(words.split())
            reply = OfferReply(accept=accept, reason=reason.strip(), words=own if accept else "")
            keep_reply(folder, question, reply)
        return go_on(request, folder)

    return kept(folder, keep)
