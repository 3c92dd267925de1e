"""Long work from the page's side: how it stands, as JSON or as a stream of events; cancelled; begun again.

A page that shows a job includes `jobs/follow.html` in its head and `jobs/progress.html` in its body, with a
`JobView` as `job`. The stream sends that body anew, and has the page load itself when the job has ended;
without JavaScript the page loads itself anew every few seconds.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from fieldmark.app.jobs.job import Job, JobStatus
from fieldmark.app.jobs.stages import WorkStages
from fieldmark.errors import InputError
from fieldmark.studio.desk import desk_of
from fieldmark.studio.pages import path_to, piece
from fieldmark.studio.routes.forms import checked_form

LOOK_S = 0.4
"""How often the stream looks for something new, in seconds."""
AGAIN_S = 5.0
"""How often it sends what is known anew, as time goes on, in seconds."""
LONGEST_S = 600.0
"""How long one stream lasts, in seconds; a browser asks for the next one by itself."""

Place = Literal["concepts", "runs"]
router = APIRouter(prefix="/{place}/{name}/jobs/{kind}")


@dataclass(frozen=True)
class JobView:
    """A job as a template shows it.

    Attributes:
        address: Where its routes are.
        status: How it stands.
        stages: What it did so far.
        now: The time, in seconds since 1970.
    """

    address: str
    status: JobStatus
    stages: WorkStages
    now: float

    @property
    def seconds(self) -> float:
        """How long it took, or takes so far."""
        return max(0.0, (self.status.ended or self.now) - self.status.at)


def view_of(folder: Path, place: Place, kind: str) -> JobView | None:
    """The job of a kind in the folder of a concept or a run; None where there was never one."""
    job = Job.of(folder, kind)
    status = job.status
    if status is None:
        return None
    return JobView(path_to(place, folder.name, "jobs", kind), status, job.stages, time.time())


@router.get("")
def state(request: Request, place: Place, name: str, kind: str) -> Response:
    """How the job stands."""
    view = _view(request, place, name, kind)
    return JSONResponse(
        {
            **view.status.model_dump(mode="json", exclude={"task"}),
            "seconds": round(view.seconds, 1),
            "stages": [{"words": each.words, "done": each.done, "of": each.of} for each in view.stages.parts],
            "notes": view.stages.notes,
        }
    )


@router.get("/events")
async def follow(request: Request, place: Place, name: str, kind: str) -> Response:
    """The stream of events: "progress" with the body to show, then "end"."""
    folder = await asyncio.to_thread(_folder, request, place, name)
    await asyncio.to_thread(_view, request, place, name, kind)
    return StreamingResponse(_stream(folder, place, kind), media_type="text/event-stream")


@router.post("/cancel", dependencies=[Depends(checked_form)])
def cancel(
    request: Request, place: Place, name: str, kind: str, back: Annotated[str, Form(max_length=2000)] = ""
) -> Response:
    """Have the job end; what was done is kept."""
    _view(request, place, name, kind)
    Job.of(_folder(request, place, name), kind).cancel()
    return RedirectResponse(_checked(back, place, name), 303)


@router.post("/again", dependencies=[Depends(checked_form)])
def again(
    request: Request, place: Place, name: str, kind: str, back: Annotated[str, Form(max_length=2000)] = ""
) -> Response:
    """Go on with the job where it was."""
    _view(request, place, name, kind)
    Job.of(_folder(request, place, name), kind).again(home=desk_of(request).home)
    return RedirectResponse(_checked(back, place, name), 303)


def _folder(request: Request, place: Place, name: str) -> Path:
    """The folder of a concept or a run; a name is only compared, never made a path.

    Raises:
        HTTPException: There is none of this name.
    """
    desk = desk_of(request)
    if place == "runs":
        return desk.runs.run(name).path
    try:
        return desk.concepts.folder(name).path
    except InputError as error:
        raise HTTPException(404, error.message) from None


def _view(request: Request, place: Place, name: str, kind: str) -> JobView:
    folder = _folder(request, place, name)
    view = view_of(folder, place, kind) if kind.isascii() and kind.replace("_", "").isalpha() else None
    if view is None:
        raise HTTPException(404, "Nothing of that sort was begun here.")
    return view


def _checked(back: str, place: Place, name: str) -> str:
    """Where a form leads back to: a page of the same concept or run, else its first one."""
    own = path_to(place, name)
    plain = back.isascii() and back.isprintable() and "\\" not in back and "//" not in back
    return back if plain and (back == own or back.startswith(f"{own}/")) else own


async def _stream(folder: Path, place: Place, kind: str) -> AsyncIterator[bytes]:
    job, shown, said = Job.of(folder, kind), None, 0.0
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        stamp = await asyncio.to_thread(lambda: job.stamp)
        if stamp != shown or time.monotonic() - said > AGAIN_S:
            view = await asyncio.to_thread(view_of, folder, place, kind)
            if view is None or not view.status.running:
                break
            shown, said = stamp, time.monotonic()
            yield _event("progress", piece("jobs/stages.html", job=view))
        await asyncio.sleep(LOOK_S)
    else:
        return
    yield _event("end", "")


def _event(name: str, body: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in body.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode("utf-8", "replace")
