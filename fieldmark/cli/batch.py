"""`fieldmark batch`: a run's questions as batch files, and their answers back into it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import Json, Out, option
from fieldmark.cli.terminal import amount, print_json, words

if TYPE_CHECKING:
    from fieldmark.app.batches.turn import BatchTurn

Run = Annotated[str, typer.Argument(metavar="RUN", help="Id or folder of a run that was stopped, or latest.")]
To = Annotated[Path | None, option("The batch file to write.", show_default="RUN/batch.jsonl")]
NEXT = "batch.jsonl"


def commands() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Ask by batch files instead of online, for half the price where offered."
    )
    group.command()(export)
    group.command(name="import")(import_)
    return group


def export(run: Run, to: To = None, out: Out = Path("runs"), json: Json = False) -> None:
    """Write what a run would ask next as a batch file of the OpenAI form. Nothing is asked.

    A run that is started with a limit of 0 calls asks nothing online, and waits for its first file.
    """
    _turn(run, (), to, out, json=json)


def import_(
    run: Run,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Results of a batch.")],
    to: To = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Take the answers of a batch into the cache, go on with the run, and write what it asks next.

    An answer that cannot be used is counted, and its question is asked again with the next file.
    """
    _turn(run, tuple(files), to, out, json=json)


def _turn(run: str, files: tuple[Path, ...], to: Path | None, out: Path, *, json: bool) -> None:
    from fieldmark.app.batches.turn import batch_turn
    from fieldmark.tools.runs.folder import RunFolder

    folder = RunFolder.open(out, run)
    with TerminalProgress("Loading") as progress:
        turn = batch_turn(
            folder.path, out=to or folder.path / NEXT, runs=out, replies=files, progress=progress
        )
    if json:
        print_json({"schema": "fieldmark.batch/1", **turn.model_dump(mode="json")})
    _say(turn, imported=bool(files), json=json)


def _say(turn: "BatchTurn", *, imported: bool, json: bool) -> None:
    console = words(json=json)
    if imported:
        console.say(f"{amount(turn.taken, 'answer')} taken.")
        for reason, count in turn.bad.items():
            console.say(f"{count:,} not usable ({reason}); asked again.")
        if turn.unused:
            console.say(f"{amount(turn.unused, 'result')} not needed.")
        if turn.unreadable:
            console.say(f"{amount(turn.unreadable, 'line')} not readable.")
    if not turn.waiting:
        console.say(f"Nothing is left to ask: {turn.run} has its results.")
        return
    console.say(f"{amount(turn.waiting, 'question')} in {', '.join(turn.files)}")
    console.say(f"Have them answered, then: fieldmark batch import {turn.run} RESULTS.jsonl")
