"""A concept's history: its versions, and every answer and label; all may be changed, nothing is lost."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.agents.define.binding import made_by
from fieldmark.app.concepts.editing import LABELS, HandEdits, edit_concept, put_in_force
from fieldmark.records import Concept, Definition, Label
from fieldmark.studio.desk import desk_of
from fieldmark.studio.routes.concepts.found import concept_folder
from fieldmark.studio.routes.concepts.frame import back_to, framed
from fieldmark.studio.routes.forms import checked_form
from fieldmark.tools.concepts.changes import difference, latest_labels, settled_answers

PAGE = 60
LATEST = 200
"""Entries of the list of everything that a page shows."""
Text = Annotated[str, Form(max_length=4000)]
router = APIRouter(prefix="/concepts/{name}")


@router.get("/history")
def history(
    request: Request,
    name: str,
    of: Annotated[Literal["", "in", "out", "unsure", "blind"], Query()] = "",
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> Response:
    """Versions with their differences, answers, and labels as pictures."""
    folder = concept_folder(request, name)
    concept = folder.load()
    labels = labels_of(concept, of)
    pages = max(1, -(-len(labels) // PAGE))
    page = min(page, pages)
    empty = Definition()
    before = [empty, *(version.definition for version in concept.versions)]
    said = sorted([*concept.decisions, *concept.labels], key=lambda each: each.at, reverse=True)
    return framed(
        request,
        "concepts/history.html",
        folder,
        summary=desk_of(request).concepts.summary(folder),
        versions=[
            (version, difference(old, version.definition), made_by(version, concept))
            for old, version in zip(before, concept.versions, strict=False)
        ][::-1],
        answers=list(settled_answers(concept).items()),
        labels=labels[(page - 1) * PAGE : page * PAGE],
        total=len(labels),
        of=of,
        page=page,
        pages=pages,
        said=said[:LATEST],
        more=max(0, len(said) - LATEST),
    )


@router.get("/history/labels/{image_hash}")
def one_label(request: Request, name: str, image_hash: str) -> Response:
    """Everything that was said of one image, and how to say it differently."""
    folder = concept_folder(request, name)
    given = [label for label in folder.load().labels if label.image == image_hash]
    if not given:
        raise HTTPException(404, "That image has no label.")
    return framed(request, "concepts/label.html", folder, given=given, image_hash=image_hash, values=LABELS)


@router.post("/history/labels/{image_hash}", dependencies=[Depends(checked_form)])
def relabel(request: Request, name: str, image_hash: str, value: Text, why: Text = "") -> Response:
    """Give an image another label."""
    folder = concept_folder(request, name)
    if image_hash not in latest_labels(folder.load().labels):
        raise HTTPException(404, "That image has no label.")
    done = edit_concept(
        folder.load().name, HandEdits(labels={image_hash: value}, why=why), home=desk_of(request).home
    )
    told = ["The label is changed; the one before is kept behind it.", *done.stale]
    return back_to(request, folder, "history", "labels", image_hash, told=told)


@router.post("/history/answers", dependencies=[Depends(checked_form)])
def answer(request: Request, name: str, number: Annotated[int, Form(ge=1)], answer: Text = "") -> Response:
    """Give a question another answer; an empty one takes it back."""
    folder = concept_folder(request, name)
    done = edit_concept(folder.load().name, HandEdits(answers={number: answer}), home=desk_of(request).home)
    told = ["The answer is changed; the one before is kept behind it.", *done.stale]
    return back_to(request, folder, "history", told=told)


@router.post("/history/versions", dependencies=[Depends(checked_form)])
def roll_back(request: Request, name: str, number: Annotated[int, Form(ge=1)]) -> Response:
    """Put an earlier version in force."""
    folder = concept_folder(request, name)
    put_in_force(folder, number)
    told = [f"Version {number} is in force; the others are kept."]
    if number not in desk_of(request).concepts.summary(folder).built:
        told.append("It has no classifier yet.")
    return back_to(request, folder, "history", told=told)


def labels_of(concept: Concept, of: str) -> list[Label]:
    """The labels that count, the latest first: of one value, or those of the blind test alone."""
    given = sorted(latest_labels(concept.labels).values(), key=lambda each: each.at, reverse=True)
    if of == "blind":
        return [each for each in given if each.split == "blind"]
    return [each for each in given if each.split == "dev" and of in ("", each.value)]
