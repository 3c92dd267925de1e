"""Takes labels, and has a run scored anew with them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fieldmark.app.jobs.job import Job
from fieldmark.app.jobs.tasks import ScoreTask
from fieldmark.app.review.labelling import give_label, take_back
from fieldmark.app.review.review import Selection
from fieldmark.studio.desk import desk_of
from fieldmark.studio.pages import address, page
from fieldmark.studio.routes.forms import checked_form
from fieldmark.studio.routes.images import found_row
from fieldmark.studio.routes.jobs import view_of

Text = Annotated[str, Form(max_length=4000)]
router = APIRouter(prefix="/runs/{run_id}")


@router.post("/images/{image_hash}", dependencies=[Depends(checked_form)])
def label(
    request: Request,
    run_id: str,
    image_hash: str,
    selection: Annotated[Selection, Query()],
    label: Text = "",
    answer: Text = "class",
) -> Response:
    """Keep what a person says of an image, and go on to the next one."""
    desk = desk_of(request)
    review = desk.runs.review(run_id)
    found_row(review, image_hash)
    # Before it is said: afterwards the image may no longer be in the selection.
    _, behind, _, _ = review.neighbours(image_hash, selection)
    give_label(review, image_hash, label=label or None, answer=answer)
    if selection.within == "asked":
        behind = desk.runs.review(run_id).next_to_label(image_hash)
    if behind is not None:
        return RedirectResponse(address(run_id, "images", behind, selection=selection), 303)
    if selection.within == "asked":
        return RedirectResponse(address(run_id, "asked"), 303)
    return RedirectResponse(address(run_id, selection=selection), 303)


@router.post("/images/{image_hash}/back", dependencies=[Depends(checked_form)])
def back(
    request: Request, run_id: str, image_hash: str, selection: Annotated[Selection, Query()]
) -> Response:
    """Take back what was said of an image, and show it."""
    take_back(desk_of(request).runs.review(run_id), image_hash)
    return RedirectResponse(address(run_id, "images", image_hash, selection=selection), 303)


@router.post("/scoring", dependencies=[Depends(checked_form)])
def score(request: Request, run_id: str) -> Response:
    """Begin to score the run anew."""
    desk = desk_of(request)
    review = desk.runs.review(run_id)
    if not review.usable:
        raise HTTPException(409, "The rule that scored this run cannot use labels.")
    Job.of(review.run.path, ScoreTask.KIND).start(ScoreTask(), home=desk.home)
    return RedirectResponse(address(run_id, "scoring"), 303)


@router.get("/scoring")
def scoring(request: Request, run_id: str) -> Response:
    """How far the scoring is, or what ended it; the run itself once it is scored."""
    runs = desk_of(request).runs
    job = view_of(runs.run(run_id).path, "runs", ScoreTask.KIND)
    if job is None or job.status.state == "ended":
        return RedirectResponse(address(run_id), 303)
    return page(request, "scoring.html", run_id=run_id, job=job, review=runs.review(run_id))
