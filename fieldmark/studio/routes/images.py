"""A run's images: all of them as small pictures, and each by itself."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from fieldmark.app.jobs.tasks import ScoreTask
from fieldmark.app.review.image_rows import ImageRow
from fieldmark.app.review.review import NONE, UNSURE, RunReview, Selection
from fieldmark.errors import InputError
from fieldmark.evals.report.gallery import entry
from fieldmark.records import Prediction
from fieldmark.studio.desk import desk_of
from fieldmark.studio.pages import address, page
from fieldmark.studio.routes.jobs import view_of
from fieldmark.tools.images.files import UnusableImageError

SIDES = {"small": 320, "large": 960}
"""Longest side of pictures in pixels, by the names that pages give them."""
MOST_ATTRIBUTES = 20
MOST_CHOICES = 5
KEPT = "private, max-age=31536000, immutable"
"""A picture is named by its content: it never changes."""

Selected = Annotated[Selection, Query()]
router = APIRouter(prefix="/runs/{run_id}")


@router.get("")
def gallery(request: Request, run_id: str, selection: Selected) -> Response:
    """The images of a run, by label, status and doubt."""
    desk = desk_of(request)
    summary = desk.runs.summary(run_id)
    if not summary.has_predictions:
        return page(request, "unfinished.html", run=summary)
    review = desk.runs.review(run_id)
    return page(
        request,
        "gallery.html",
        run=summary,
        review=review,
        selection=selection,
        shown=review.page(selection),
        job=view_of(review.run.path, "runs", ScoreTask.KIND),
    )


@router.get("/images/{image_hash}")
def one_image(request: Request, run_id: str, image_hash: str, selection: Selected) -> Response:
    """One image: what it is taken for and why, what else it may be, and how to put it right."""
    review = desk_of(request).runs.review(run_id)
    prediction = review.images.whole(found_row(review, image_hash))
    before, behind, place, total = review.neighbours(image_hash, selection)
    return page(
        request,
        "image.html",
        run_id=run_id,
        review=review,
        selection=selection,
        entry=entry(prediction, _Linked(run_id), most=MOST_ATTRIBUTES),
        said=review.given.get(image_hash),
        history=review.said_of(image_hash),
        last=review.last_given,
        choices=choices_of(prediction, review),
        before=before,
        behind=behind,
        place=place,
        total=total,
        none_of_these=NONE,
        cannot_tell=UNSURE,
    )


@router.get("/confused")
def confused(request: Request, run_id: str) -> Response:
    """The classes that open images lie between, each against each."""
    review = desk_of(request).runs.review(run_id)
    return page(request, "confused.html", run_id=run_id, review=review, chosen=Selection())


@router.get("/asked")
def asked(request: Request, run_id: str) -> Response:
    """The images whose labels would help most; what was said of them so far."""
    desk = desk_of(request)
    review = desk.runs.review(run_id)
    return page(
        request,
        "asked.html",
        run_id=run_id,
        review=review,
        asked=[
            (each, review.by_hash[each.image_hash])
            for each in review.asked
            if each.image_hash in review.by_hash
        ],
        selection=Selection(within="asked"),
        next_one=review.next_to_label(""),
    )


@router.get("/asked/next")
def next_asked(request: Request, run_id: str) -> Response:
    """On to the next image that the run asks about."""
    behind = desk_of(request).runs.review(run_id).next_to_label("")
    if behind is None:
        return RedirectResponse(address(run_id, "asked"), 303)
    return RedirectResponse(address(run_id, "images", behind, selection=Selection(within="asked")), 303)


@router.get("/pictures/{size}/{image_hash}")
def picture(request: Request, run_id: str, size: str, image_hash: str) -> Response:
    """A small picture of an image of the run, by the hash of its content."""
    desk = desk_of(request)
    review = desk.runs.review(run_id)
    row = found_row(review, image_hash)
    if size not in SIDES:
        raise HTTPException(404, "There is no picture of that size.")
    try:
        path = desk.pictures.of(review.file_of(row), image_hash, side=SIDES[size])
    except UnusableImageError as error:
        raise HTTPException(404, f"The picture cannot be shown: {error.reason}.") from None
    except ValueError:
        raise HTTPException(404, "The run has no such image.") from None
    return FileResponse(path, media_type="image/webp", headers={"cache-control": KEPT})


def found_row(review: RunReview, image_hash: str) -> ImageRow:
    """An image of a run in short.

    Raises:
        HTTPException: It has no such image.
    """
    try:
        return review.row(image_hash)
    except InputError as error:
        raise HTTPException(404, error.message) from None


def choices_of(prediction: Prediction, review: RunReview) -> list[str]:
    """The classes that a person most likely means: those left, then label and runner-up."""
    likely = [each.class_name for each in prediction.candidates]
    likely += [prediction.label, prediction.runner_up or prediction.label]
    return [name for name in dict.fromkeys(likely) if name in review.classes][:MOST_CHOICES]


class _Linked:
    """Pictures of a run by their addresses in the studio."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def of(self, image: str, image_hash: str) -> str:
        """Where the large picture of an image is."""
        return address(self._run_id, "pictures", "large", image_hash)
