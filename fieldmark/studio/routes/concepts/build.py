"""Has a concept's classifier built, in a process that goes on when the page is closed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.agents.build.options import BuildOptions
from fieldmark.app.concepts.making import most_of_a_build
from fieldmark.app.concepts.setup import NO_VLM, read_setup
from fieldmark.app.jobs.job import Job
from fieldmark.app.jobs.tasks import BuildTask
from fieldmark.errors import InputError
from fieldmark.records import UsageLimits
from fieldmark.studio.desk import desk_of
from fieldmark.studio.routes.concepts.found import concept_folder
from fieldmark.studio.routes.concepts.frame import back_to, framed
from fieldmark.studio.routes.forms import checked_form
from fieldmark.studio.routes.jobs import view_of
from fieldmark.tools.concepts.built import MODELS, read_built

router = APIRouter(prefix="/concepts/{name}/build")


@router.get("")
def build(request: Request, name: str) -> Response:
    """How far the build is, or what it would do."""
    folder = concept_folder(request, name)
    judge = read_setup(folder).settled().vlm
    summary = desk_of(request).concepts.summary(folder)
    return framed(
        request,
        "concepts/build.html",
        folder,
        job=view_of(folder.path, "concepts", BuildTask.KIND),
        built=read_built(folder.path / MODELS / f"v{summary.version}"),
        summary=summary,
        judge=None if judge == NO_VLM else judge,
        usual=BuildTask(),
        most=most_of_a_build(BuildOptions(), images=summary.images, labels=summary.labels, vlm=judge),
    )


@router.post("", dependencies=[Depends(checked_form)])
def begin(
    request: Request,
    name: str,
    annotate: Annotated[int, Form(ge=8, le=100_000)] = 1500,
    rounds: Annotated[int, Form(ge=0, le=20)] = 2,
    debates: Annotated[int, Form(ge=0, le=10_000)] = 0,
    max_calls: Annotated[str, Form(max_length=12, pattern=r"^[0-9]*$")] = "",
) -> Response:
    """Begin to build the version in force; nothing happens where a build goes on already."""
    folder = concept_folder(request, name)
    if not folder.load().versions:
        raise InputError("The concept has no definition yet.", hint="Talk about it first.")
    limits = UsageLimits(max_calls=int(max_calls)) if max_calls else UsageLimits()
    task = BuildTask(annotate=annotate, rounds=rounds, debates=debates, limits=limits)
    Job.of(folder.path, BuildTask.KIND).start(task, home=desk_of(request).home)
    return back_to(request, folder, "build")
