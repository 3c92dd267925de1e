"""The room that all of it takes, and folders of concepts and runs that are taken in."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.app.taking_in import take_in
from fieldmark.errors import InputError
from fieldmark.studio.desk import desk_of
from fieldmark.studio.notice import taken
from fieldmark.studio.pages import concept_address, page
from fieldmark.studio.routes.forms import checked_form, typed_path
from fieldmark.tools.images.given_paths import is_there

router = APIRouter()


@router.get("/storage")
def storage(request: Request, again: bool = False) -> Response:
    """What concepts, runs and what is kept between them take, the largest first."""
    desk = desk_of(request)
    found, at = desk.storage.read(again=again)
    names = {each.folder_name: each.name for each in desk.concepts.summaries()}
    return page(
        request,
        "storage.html",
        found=found,
        names=names,
        home=str(desk.home),
        counted=datetime.fromtimestamp(at, UTC).isoformat(),
    )


@router.post("/import", dependencies=[Depends(checked_form)])
def import_folder(request: Request, path: Annotated[str, Form(max_length=4000)]) -> Response:
    """Take in the folder of a concept or of a run; the folder itself stays as it is."""
    desk, source = desk_of(request), typed_path(path)
    if not source.is_absolute() or not is_there(source) or not source.is_dir():
        raise InputError(f"There is no folder {path.strip()!r} on this machine.", hint="Give its full path.")
    done = take_in(source, home=desk.home, runs=desk.runs.folder)
    told = [f"The {done.kind} {done.name} is taken in; the folder that it came from stays as it is."]
    if done.missing:
        told.append(f"{done.missing:,} of its pictures do not lie where they did. Copy them there.")
    if done.endpoints:
        told.append(f"Its questions went to {', '.join(done.endpoints)}. Yours go where your settings say.")
    there = concept_address(Path(done.folder).name) if done.kind == "concept" else "/"
    return taken(request, there, told)
