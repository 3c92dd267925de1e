"""Fills the studio's templates; the pieces and the style of the reports are theirs, too."""

import os
from collections.abc import Mapping
from functools import cache
from urllib.parse import quote, urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from fieldmark import __version__
from fieldmark.app.review.review import Selection
from fieldmark.evals.report.page import environment, with_contents
from fieldmark.studio.desk import desk_of
from fieldmark.studio.notice import notice_of


def page(request: Request, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """A page of the studio.

    Args:
        request: What asked for it.
        template: Its file name under `templates/`.
        status: HTTP status.
        values: What it names.
    """
    return HTMLResponse(_filled(request, template, values).encode("utf-8", "replace"), status)


def report_page(request: Request, template: str, values: Mapping[str, object]) -> HTMLResponse:
    """A report as a page of the studio, with a list of its parts."""
    return HTMLResponse(with_contents(_filled(request, template, values)).encode("utf-8", "replace"))


def _filled(request: Request, template: str, values: Mapping[str, object]) -> str:
    session, desk = request.state.session, desk_of(request)
    always: dict[str, object] = {
        "form_token": desk.access.form_token(session) if session else "",
        "version": __version__,
        "demo": desk.demo,
        "notice": notice_of(request),
    }
    return _templates().get_template(template).render(always | dict(values))


def piece(template: str, **values: object) -> str:
    """A part of a page, as a page that is open takes it in."""
    return _templates().get_template(template).render(**values)


def path_to(*parts: str) -> str:
    """The path of a page, each part quoted."""
    return "".join(f"/{quote(os.fsencode(part), safe='')}" for part in parts)


def address(run_id: str, *parts: str, selection: Selection | None = None, **changed: object) -> str:
    """Where a page of a run is, with a selection of its images in the query."""
    path = path_to("runs", run_id, *parts)
    if selection is None:
        return path
    said = selection.model_copy(update=changed).model_dump(exclude_defaults=True)
    return f"{path}?{urlencode(said, errors='replace')}" if said else path


def concept_address(folder: str, *parts: str, **said: object) -> str:
    """Where a page of a concept is, by the name of its folder; what is None is not said."""
    return with_query(path_to("concepts", folder, *parts), said)


def with_query(path: str, said: Mapping[str, object]) -> str:
    """A path with a query; what is None is not said."""
    query = {name: value for name, value in said.items() if value is not None}
    return f"{path}?{urlencode(query, errors='replace')}" if query else path


@cache
def _templates() -> jinja2.Environment:
    made = environment(
        jinja2.ChoiceLoader(
            [
                jinja2.PackageLoader("fieldmark.studio"),
                jinja2.PrefixLoader({"report": jinja2.PackageLoader("fieldmark.evals.report")}),
                # Reports themselves: they extend our page.html, which is found first.
                jinja2.PackageLoader("fieldmark.evals.report"),
            ]
        )
    )
    made.globals.update(address=address, at=concept_address, path_to=path_to)
    return made
