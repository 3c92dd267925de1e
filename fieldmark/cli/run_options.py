"""Options that every command which makes a run has."""

from pathlib import Path
from typing import Annotated

import typer

RUN = "The run"
"""The panel of `--help` that they stand in."""

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
