"""Gives the tables of a run away."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from fieldmark.app.review.labelling import labels_csv
from fieldmark.studio.desk import desk_of
from fieldmark.tools.runs.predictions_csv import predictions_csv

CSV = "text/csv; charset=utf-8"
router = APIRouter(prefix="/runs/{run_id}")


@router.get("/predictions.csv")
def predictions(request: Request, run_id: str) -> Response:
    """What the run says of every image."""
    review = desk_of(request).runs.review(run_id)
    if (kept := review.run.path / "predictions.csv").is_file():
        return FileResponse(kept, media_type=CSV, filename=_plain(f"{run_id}-predictions.csv"))
    return table(predictions_csv(tuple(review.run.read_predictions())), f"{run_id}-predictions.csv")


@router.get("/labels.csv")
def labels(request: Request, run_id: str) -> Response:
    """The label that counts of every image, and who gave it."""
    review = desk_of(request).runs.review(run_id)
    return table(labels_csv(review), f"{run_id}-labels.csv")


def table(text: str, name: str) -> Response:
    """A table that a browser keeps under a name."""
    return Response(
        text.encode("utf-8", "replace"),
        media_type=CSV,
        headers={"content-disposition": f'attachment; filename="{_plain(name)}"'},
    )


def _plain(name: str) -> str:
    return "".join(each for each in name if each.isascii() and (each.isalnum() or each in "-._"))
