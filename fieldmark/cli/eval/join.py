"""`fieldmark eval join`: one table from several runs."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.eval.show import show, write_report
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import Json, option
from fieldmark.cli.terminal import print_json, words


def join(
    runs: Annotated[list[str], typer.Argument(help="Ids or folders of runs of `fieldmark eval`.")],
    baseline: Annotated[str, option("The method the others are paired with.")] = "clip",
    out: Annotated[Path, option("Folder where the runs are, and where the joined one goes.")] = Path("runs"),
    report: Annotated[bool, option("Write report.html and table.md into the new folder.")] = True,
    json: Json = False,
) -> None:
    """Put several runs into one table: other methods, seeds or settings of the same data."""
    from fieldmark.app.beforehand import Mistakes
    from fieldmark.evals.table.chosen_names import keys_named
    from fieldmark.tools.runs.folder import RunFolder

    mistakes = Mistakes()
    for run in runs:
        with mistakes.noted():
            RunFolder.open(out, run, kind="eval")
    with mistakes.noted():
        keys_named([baseline])
    mistakes.tell()
    with TerminalProgress("Joining") as progress:
        from fieldmark.app.evaluate.join import join_runs

        result = join_runs(runs, baseline=baseline, out=out, progress=progress)
        if report:
            write_report(result, progress)
    show(result, words(json=json))
    if json:
        print_json(result)
