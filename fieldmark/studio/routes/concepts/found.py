"""What the pages of a concept have in common: its folder, its frame, and how a form is taken."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from fastapi import Form
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fieldmark.agents.define.ending import in_one_line
from fieldmark.app.concepts.stepwise.talk import StaleAnswer, Talk, answering
from fieldmark.errors import InputError, RunError
from fieldmark.records import Concept
from fieldmark.records.conversation import ConversationQuestion, ConversationReply
from fieldmark.studio.desk import desk_of
from fieldmark.studio.notice import RefusedForm
from fieldmark.studio.pages import concept_address, page
from fieldmark.tools.concepts.changes import blind_labels, dev_labels
from fieldmark.tools.concepts.folder import ConceptFolder

Text = Annotated[str, Form(max_length=4000)]
Yes = Annotated[bool, Form()]
Short = Annotated[str, Form(max_length=200)]
Q = TypeVar("Q", bound=ConversationQuestion)

STALE = (
    "That question does not wait any more: it was answered in another window or in a terminal, or the "
    "definition was changed. Nothing was noted. This is what waits now."
)
BUSY = (
    "The concept is in use elsewhere, perhaps by a conversation in a terminal. Nothing was noted. End it "
    "there, then say it again."
)


def concept_folder(request: Request, name: str) -> ConceptFolder:
    """The concept in the folder of this name.

    Raises:
        HTTPException: There is none.
    """
    try:
        return desk_of(request).concepts.folder(name)
    except InputError as error:
        raise HTTPException(404, error.message) from None


def framed(
    request: Request,
    template: str,
    folder: ConceptFolder,
    concept: Concept,
    found: Talk | None = None,
    **values: Any,
) -> Response:
    """A page of a concept: with its definition, its blind test, and what still hinders the end."""
    found = found or Talk.of(folder, concept)
    return page(
        request,
        template,
        folder=folder.path.name,
        talk=found,
        concept=concept,
        definition=concept.definition,
        hinders=in_one_line(found.hinders),
        labelled=len(dev_labels(concept)),
        blind_done=len(blind_labels(concept)),
        **values,
    )


@contextmanager
def in_hand(request: Request, folder: ConceptFolder, turn: str, kind: type[Q]) -> Iterator[Q]:
    """The question that waits, held alone while what is said to it is kept.

    Raises:
        StaleAnswer: Another question waits by now.
        RunError: Another process works on the concept.
    """
    with desk_of(request).concepts.alone(folder), answering(folder, turn) as question:
        if not isinstance(question, kind):
            raise StaleAnswer
        yield question


def kept(
    folder: ConceptFolder,
    keep: Callable[[], str],
    *parts: str,
    said: ConversationReply | None = None,
    **query: object,
) -> Response:
    """Do what keeps an answer, and go to the address that it returns.

    Args:
        folder: The concept's folder.
        keep: Keeps it.
        parts: The page of the concept that says so where it was not kept.
        said: The answer, where another window may have given another one.
        query: What its address asks for.

    Raises:
        RefusedForm: It came too late, or the concept is in use elsewhere.
    """
    here = concept_address(folder.path.name, *parts, **query)
    try:
        there = keep()
    except StaleAnswer as error:
        if error.heard is None or said not in (None, error.heard):
            raise RefusedForm(here, STALE) from None
        there = here  # a second click, or a page that was sent again: the answer counts, once
    except RunError:
        raise RefusedForm(here, BUSY) from None
    return RedirectResponse(there, 303)


def go_on(request: Request, folder: ConceptFolder, *, more: bool = False) -> str:
    """Have the conversation go on to its next question; the address where that is seen."""
    desk_of(request).talks.go_on(folder.path, more=more)
    return concept_address(folder.path.name)
