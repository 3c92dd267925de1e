"""Style and script: a few files of this package, each by its name."""

from importlib.resources import files

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

FILES = {
    "report.css": ("fieldmark.evals.report", "style.css", "text/css"),
    "studio.css": ("fieldmark.studio", "static/studio.css", "text/css"),
    "classifier.css": ("fieldmark.studio", "static/classifier.css", "text/css"),
    "classifier.js": ("fieldmark.studio", "static/classifier.js", "text/javascript"),
    "jobs.js": ("fieldmark.studio", "static/jobs.js", "text/javascript"),
    "concepts.css": ("fieldmark.studio", "static/concepts.css", "text/css"),
    "sort.js": ("fieldmark.evals.report", "sort.js", "text/javascript"),
    "icon.svg": ("fieldmark.studio", "static/icon.svg", "image/svg+xml"),
    "keys.js": ("fieldmark.studio", "static/keys.js", "text/javascript"),
}

router = APIRouter(prefix="/static")


@router.get("/{name}")
def static(name: str) -> Response:
    """One of them."""
    if name not in FILES:
        raise HTTPException(404, "There is no such file.")
    package, path, kind = FILES[name]
    text = files(package).joinpath(path).read_bytes()
    return Response(text, media_type=kind, headers={"cache-control": "no-cache"})
