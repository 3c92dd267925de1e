"""Searches for prompts and tables of methods: the pages of their reports, and their files."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fieldmark.app.review.results import (
    BOOKS,
    Kind,
    MethodTables,
    climb_of,
    has_result,
    result_folders,
    search_page,
    summary_of_result,
)
from fieldmark.reading import read_bytes
from fieldmark.studio.desk import desk_of
from fieldmark.studio.pages import page, report_page
from fieldmark.tools.runs.folder import RunFolder

MEDIA = {"csv": "text/csv; charset=utf-8", "svg": "image/svg+xml", "json": "application/json"}

router = APIRouter()


@router.get("/searches/{run_id}")
def search(request: Request, run_id: str) -> Response:
    """A search: its report; before its end how far it is, loaded anew by itself."""
    run = _found(request, run_id, "optimize")
    if not has_result(run):
        now = summary_of_result("optimize", run)
        return page(request, "searching.html", run=now, climb=climb_of(run))
    files = [name for name in BOOKS if (run.path / name).is_file()]
    own = {"where": "searches", "downloads": files}
    return report_page(request, "optimize.html", search_page(run) | own)


@router.get("/tables/{run_id}")
def table(
    request: Request,
    run_id: str,
    order: Annotated[str, Query(max_length=200)] = "",
    way: Literal["falling", "rising"] = "falling",
) -> Response:
    """A table of methods, its rows in the order of a column."""
    run = _found(request, run_id, "eval")
    if not has_result(run):
        return page(request, "searching.html", run=summary_of_result("eval", run), climb=None)
    tables = MethodTables.open(run)
    own = {
        "where": "tables",
        "downloads": list(tables.files()),
        "heads": tables.heads,
        "order": order,
        "way": way,
    }
    return report_page(request, "table.html", tables.values(order=order, rising=way == "rising") | own)


@router.get("/searches/{run_id}/files/{name}")
def file_of_search(request: Request, run_id: str, name: str) -> Response:
    """A book of a search, or its result."""
    run = _found(request, run_id, "optimize")
    if name not in BOOKS or not (run.path / name).is_file():
        raise HTTPException(404, "There is no such file.")
    return _given(run_id, name, read_bytes(run.path / name))


@router.get("/tables/{run_id}/files/{name:path}")
def file_of_table(request: Request, run_id: str, name: str) -> Response:
    """A table as CSV or LaTeX, or a plot as SVG."""
    run = _found(request, run_id, "eval")
    text = MethodTables.open(run).files().get(name) if has_result(run) else None
    if text is None:
        raise HTTPException(404, "There is no such file.")
    return _given(run_id, name, text.encode("utf-8", "replace"))


def _found(request: Request, run_id: str, kind: Kind) -> RunFolder:
    """The folder of a run; a name is only compared, never made a path."""
    known = result_folders(desk_of(request).runs.folder).get(run_id)
    if known is None or known[0] != kind:
        raise HTTPException(404, "There is no such run.")
    return known[1]


def _given(run_id: str, name: str, data: bytes) -> Response:
    plain = "".join(each if each.isascii() and (each.isalnum() or each in "-._") else "-" for each in name)
    return Response(
        data,
        media_type=MEDIA.get(name.rpartition(".")[2], "text/plain; charset=utf-8"),
        headers={"content-disposition": f'attachment; filename="{run_id}-{plain}"'},
    )
