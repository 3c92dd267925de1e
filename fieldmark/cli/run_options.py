"""Options that several commands have, in the same words."""

from pathlib import Path
from typing import Annotated

import typer

DATA, MODELS, RUN = "The data", "The models", "The run"
"""Panels of `--help`."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
RunJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object and nothing else.", rich_help_panel=RUN)
]
ListedFrom = Annotated[
    Path | None, typer.Option(help="Where the paths of a list or split file start.", rich_help_panel=DATA)
]
BaseUrl = Annotated[
    str | None, typer.Option(help="The endpoint. Else OPENAI_BASE_URL.", rich_help_panel=MODELS)
]
MaxCalls = Annotated[
    int | None, typer.Option(min=0, help="The most questions asked anew.", rich_help_panel=MODELS)
]
Resume = Annotated[str | None, typer.Option(help="Id of an earlier run to go on with.", rich_help_panel=RUN)]

Out = Annotated[Path, typer.Option(help="Folder for the run's folder.", rich_help_panel=RUN)]
Report = Annotated[
    bool | None,
    typer.Option(
        "--report/--no-report",
        help="Write a report, report.html, into the run's folder. \\[default: report]",
        show_default=False,
        rich_help_panel=RUN,
    ),
]
"""None where it was not given: a resumed run then keeps its choice."""
