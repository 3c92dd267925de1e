"""What a concept's classifier is worth: in words, figures and mistakes; measured once, and exported."""

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.agents.build.threshold import keep_threshold
from fieldmark.app.concepts.export import export_version
from fieldmark.app.concepts.results import JUDGES, ConceptResults, in_words
from fieldmark.app.jobs.job import Job
from fieldmark.app.jobs.tasks import EvaluateTask
from fieldmark.errors import InputError
from fieldmark.studio.desk import desk_of
from fieldmark.studio.routes.concepts.found import concept_folder
from fieldmark.studio.routes.concepts.frame import back_to, framed
from fieldmark.studio.routes.forms import checked_form, typed_path
from fieldmark.studio.routes.jobs import view_of

MOST_PICTURES = 60
Version = Annotated[int | None, Query(ge=1, le=10**6)]

router = APIRouter(prefix="/concepts/{name}/results")


@router.get("")
def results(
    request: Request,
    name: str,
    version: Version = None,
    threshold: Annotated[float | None, Query(ge=0, le=1)] = None,
) -> Response:
    """The results of a version: of the one in force, or the newest one that was built."""
    folder = concept_folder(request, name)
    summary = desk_of(request).concepts.summary(folder)
    if not summary.versions:
        return back_to(request, folder, "build")
    if version is None and summary.built and summary.version not in summary.built:
        version = summary.built[-1]
    found = ConceptResults.of(folder, summary.version if version is None else version)
    at = threshold if threshold is not None else found.built.in_force if found.built else 0.5
    curve = [(each.threshold, each.missed, each.wrongly_in) for each in found.curve]
    return framed(
        request,
        "concepts/results.html",
        folder,
        results=found,
        summary=summary,
        judges=JUDGES,
        in_words=in_words,
        job=view_of(folder.path, "concepts", EvaluateTask.KIND),
        errors=found.errors_at(at),
        curve=json.dumps(curve),
        most=MOST_PICTURES,
    )


@router.post("/measure", dependencies=[Depends(checked_form)])
def measure(request: Request, name: str, version: Annotated[int, Form(ge=1)]) -> Response:
    """Begin the one look at the blind test."""
    folder = concept_folder(request, name)
    refusal = ConceptResults.of(folder, version).refusal
    if refusal is not None:
        raise refusal
    task = EvaluateTask(version=version)
    Job.of(folder.path, EvaluateTask.KIND).start(task, home=desk_of(request).home)
    return back_to(request, folder, "results", version=version)


@router.post("/threshold", dependencies=[Depends(checked_form)])
def keep(
    request: Request,
    name: str,
    version: Annotated[int, Form(ge=1)],
    threshold: Annotated[float, Form(ge=0, le=1)],
) -> Response:
    """Keep another threshold: exports and predictions go by it from now on."""
    folder, desk = concept_folder(request, name), desk_of(request)
    with desk.concepts.alone(folder):
        keep_threshold(folder, version, threshold)
    told = [
        f"From {threshold:.2f} on a picture is called in. Predictions and exports go by that from now on."
    ]
    if ConceptResults.of(folder, version).measured_with is not None:
        told.append("The blind test is not looked at again: what was measured stays as it was.")
    return back_to(request, folder, "results", version=version, told=told)


@router.post("/export", dependencies=[Depends(checked_form)])
def export(
    request: Request,
    name: str,
    version: Annotated[int, Form(ge=1)],
    to: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Give the classifier away: as a zip, or into a folder of this machine."""
    folder, place = concept_folder(request, name), typed_path(to)
    if to.strip() and not place.is_absolute():
        raise InputError(f"{to.strip()!r} is no full path.", hint="Begin it with / or ~.")
    measured = ConceptResults.of(folder, version).measured
    if to.strip():
        exported = export_version(folder, version, place, measured=measured)
        told = f"Exported to {exported.folder}: {len(exported.files)} files, read back and checked."
        return back_to(request, folder, "results", version=version, told=[told])
    with tempfile.TemporaryDirectory() as made:
        own = Path(made) / f"{folder.path.name}-v{version}"
        export_version(folder, version, own, measured=measured)
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(own.rglob("*")):
                archive.write(path, path.relative_to(made))
    return Response(
        data.getvalue(),
        media_type="application/zip",
        headers={"content-disposition": f'attachment; filename="{own.name}.zip"'},
    )
