"""A new concept: what it is called, what it means, and where its pictures are."""

from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Query, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fieldmark.agents.define.options import DefineOptions
from fieldmark.app.concepts.making import WishedConcept, most_of_a_talk, read_wish, wish
from fieldmark.app.concepts.named import concept_home
from fieldmark.app.jobs.photographs import MOST_BYTES, too_large
from fieldmark.errors import InputError
from fieldmark.records import Costs
from fieldmark.studio.desk import desk_of
from fieldmark.studio.guard import UPLOADS
from fieldmark.studio.notice import notice_of
from fieldmark.studio.pages import page
from fieldmark.studio.routes.concepts.found import Short, Text, go_on
from fieldmark.studio.routes.forms import checked_form, typed_path
from fieldmark.studio.talking import Going
from fieldmark.tools.concepts.folder import ConceptFolder, slug_of

COSTS = {-2: (4.0, 1.0), -1: (2.0, 1.0), 0: (1.0, 1.0), 1: (1.0, 2.0), 2: (1.0, 4.0)}
"""Places of the slider: what a wrong "in" costs, and what a wrong "out" does."""
PLACES = {
    -2: "A wrong “in” is four times as bad as a wrong “out”.",
    -1: "A wrong “in” is twice as bad as a wrong “out”.",
    0: "Both are alike.",
    1: "A wrong “out” is twice as bad as a wrong “in”.",
    2: "A wrong “out” is four times as bad as a wrong “in”.",
}
"""The same in words."""

Filled = Annotated[str | None, Query(max_length=4000)]
router = APIRouter(prefix="/new-concept")


@router.get("")
def new(
    request: Request,
    called: Filled = None,
    about: Filled = "",
    folder: Filled = "",
    balance: Annotated[int, Query(ge=-2, le=2)] = 0,
    vlm: Filled = "",
) -> Response:
    """The form for a new concept: empty, filled in, with what the demo has, or as it was refused."""
    demo, notice = desk_of(request).demo, notice_of(request)
    said = {"called": called or "", "about": about or "", "folder": folder or "", "vlm": vlm or ""}
    if demo is not None and called is None and notice is None:
        said |= {"called": demo.name, "about": demo.about, "folder": str(demo.pool)}
    if notice is not None:
        sent = dict(notice.typed)
        said |= {name: value for name, value in sent.items() if name in said}
        balance = next((each for each in COSTS if str(each) == sent.get("balance")), balance)
    return page(
        request,
        "concepts/new.html",
        options=DefineOptions(),
        places=PLACES,
        most=most_of_a_talk(vlm=said["vlm"].strip() or None),
        taken=_taken(request, said["called"]) if notice is not None else "",
        balance=balance,
        called=said["called"],
        about=said["about"],
        folder=said["folder"],
        vlm=said["vlm"],
        most_bytes=MOST_BYTES,
        refusal=f"{too_large().message} {too_large().hint}",
    )


@router.post(UPLOADS, dependencies=[Depends(checked_form)])
def made(
    request: Request,
    called: Text = "",
    about: Text = "",
    folder: Text = "",
    balance: Annotated[int, Form(ge=-2, le=2)] = 0,
    vlm: Short = "",
    pictures: Annotated[list[UploadFile], File()] = [],  # noqa: B006 (FastAPI copies it)
) -> Response:
    """Write down what is wished, and have it made."""
    desk = desk_of(request)
    false_positive, false_negative = COSTS[balance]
    wished = WishedConcept(
        name=called,
        about=about,
        pool=(str(typed_path(folder).absolute()),) if folder.strip() else (),
        vlm=vlm.strip() or None,
        costs=Costs(false_positive=false_positive, false_negative=false_negative),
    )
    sent = [(each.filename, each.file) for each in pictures if each.filename]
    made_in = wish(wished, home=desk.home, uploads=sent)
    return RedirectResponse(go_on(request, made_in), 303)


def _taken(request: Request, called: str) -> str:
    """The folder's name of the concept that is called so; empty where none is."""
    try:
        there = ConceptFolder(concept_home(desk_of(request).home) / slug_of(called))
    except InputError:
        return ""
    return there.path.name if there.exists else ""


def show_making(request: Request, folder: ConceptFolder, going: Going) -> Response:
    """A concept that is being made, or was not made to the end."""
    return page(
        request, "concepts/making.html", folder=folder.path.name, wished=read_wish(folder.path), going=going
    )
