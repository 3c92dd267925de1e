"""Tries a concept's classifier on photographs: sent ones, or those in a folder of this machine."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, File, Form, Query, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from fieldmark.app.jobs.photographs import MOST_BYTES, MOST_FILES, TriedPhotographs, too_large
from fieldmark.errors import InputError
from fieldmark.studio.desk import desk_of
from fieldmark.studio.routes.concepts.found import concept_folder
from fieldmark.studio.routes.concepts.frame import back_to, framed
from fieldmark.studio.routes.downloads import table
from fieldmark.studio.routes.forms import checked_form, typed_path
from fieldmark.studio.routes.images import KEPT, SIDES
from fieldmark.studio.routes.jobs import view_of
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.images.files import UnusableImageError
from fieldmark.tools.images.given_paths import is_there

PAGE = 60
router = APIRouter(prefix="/concepts/{name}/trial")


@router.get("")
def trial(
    request: Request,
    name: str,
    label: Annotated[Literal["", "in", "out"], Query()] = "",
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> Response:
    """What the classifier says of the latest photographs."""
    folder = concept_folder(request, name)
    tried = TriedPhotographs(folder)
    found = tried.found
    chosen = [each for each in found.predictions if label in ("", each.label)] if found else []
    pages = max(1, -(-len(chosen) // PAGE))
    page = min(page, pages)
    return framed(
        request,
        "concepts/trial.html",
        folder,
        concept_folder=folder.path.name,
        job=view_of(folder.path, "concepts", tried.job.path.name),
        summary=desk_of(request).concepts.summary(folder),
        found=found,
        skipped=[(each.path, each.reason) for each in found.skipped] if found else (),
        chosen=chosen[(page - 1) * PAGE : page * PAGE],
        total=len(chosen),
        label=label,
        page=page,
        pages=pages,
        most_files=MOST_FILES,
        most_bytes=MOST_BYTES,
        refusal=f"{too_large().message} {too_large().hint}",
    )


@router.post("/uploads", dependencies=[Depends(checked_form)])
def send(request: Request, name: str, photographs: Annotated[list[UploadFile], File()]) -> Response:
    """Take photographs in and have them judged."""
    folder = concept_folder(request, name)
    tried, version = TriedPhotographs(folder), _version(request, folder)
    paths, left = tried.take_in([(each.filename or "", each.file) for each in photographs])
    tried.judge(paths, version=version, home=desk_of(request).home)
    told = [f"{left} of the files are no pictures and were left out."]
    return back_to(request, folder, "trial", told=told if left else ())


@router.post("/folder", dependencies=[Depends(checked_form)])
def name_folder(request: Request, name: str, path: Annotated[str, Form(max_length=2000)]) -> Response:
    """Have all photographs in a folder of this machine judged."""
    folder = concept_folder(request, name)
    tried, version = TriedPhotographs(folder), _version(request, folder)
    named = typed_path(path)
    if not named.is_absolute() or not is_there(named):
        raise InputError(f"There is no folder {path.strip()!r} on this machine.", hint="Give its full path.")
    tried.forget()
    tried.judge((str(named),), version=version, home=desk_of(request).home)
    return back_to(request, folder, "trial")


@router.post("/forget", dependencies=[Depends(checked_form)])
def forget(request: Request, name: str) -> Response:
    """Delete what was sent, and what was said of it."""
    folder = concept_folder(request, name)
    TriedPhotographs(folder).forget()
    return back_to(request, folder, "trial", told=["The photographs are deleted here."])


@router.get("/predictions.csv")
def predictions(request: Request, name: str) -> Response:
    """The table of the latest photographs."""
    folder = concept_folder(request, name)
    return table(TriedPhotographs(folder).table(), f"{folder.path.name}-predictions.csv")


@router.get("/pictures/{image_hash}")
def picture(request: Request, name: str, image_hash: str) -> Response:
    """A small picture of a photograph that was judged, by the hash of its content."""
    image = TriedPhotographs(concept_folder(request, name)).images.get(image_hash)
    if image is None:
        raise HTTPException(404, "There is no such photograph.")
    try:
        path = desk_of(request).pictures.of(image, image_hash, side=SIDES["small"])
    except (UnusableImageError, ValueError):
        raise HTTPException(404, "The photograph cannot be shown.") from None
    return FileResponse(path, media_type="image/webp", headers={"cache-control": KEPT})


def _version(request: Request, folder: ConceptFolder) -> int:
    """The version whose classifier is tried: the one in force, or the newest that was built.

    Raises:
        InputError: None was built.
    """
    summary = desk_of(request).concepts.summary(folder)
    if not summary.built:
        raise InputError(f"{summary.name!r} has no classifier yet.", hint="Build it first.")
    return summary.version if summary.version in summary.built else summary.built[-1]
