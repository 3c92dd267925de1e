"""Names the command that goes on with a run, and refuses options that such a run has settled."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fieldmark.cli.exit_codes import InterruptedRun, option_of
from fieldmark.cli.progress import TerminalProgress
from fieldmark.errors import EndpointBusy, InputError, LimitReached


@contextmanager
def resumable(progress: TerminalProgress, command: str) -> Iterator[None]:
    """Have what stops a run short end with the command that goes on with it.

    Args:
        progress: Knows the run's folder, once there is one.
        command: The command, with what it needs but the run's name.

    Raises:
        InterruptedRun: After Ctrl-C.
        LimitReached: After a limit, or where the endpoint asked for a long pause.
    """
    try:
        yield
    except KeyboardInterrupt:
        if progress.run is None:
            raise
        hint = f"Go on with: {again(command, progress.run)}"
        raise InterruptedRun("interrupted; everything so far is kept.", hint=hint) from None
    except LimitReached as error:
        if progress.run is None:
            raise
        if isinstance(error, EndpointBusy):
            hint = f"What was answered is kept. Then go on with: {again(command, progress.run)}"
            raise EndpointBusy(error.message, until=error.until, hint=hint) from None
        more = f"{again(command, progress.run)} --max-calls …"
        raise LimitReached(
            error.message, hint=f"What was answered is kept. Go on with a higher limit: {more}"
        ) from None


def again(command: str, folder: Path) -> str:
    """The command that goes on with a run."""
    program, _, options = command.partition(" --")
    where = "" if folder.parent == Path("runs") else f" --out {shlex.quote(str(folder.parent))}"
    return f"{program} --resume {shlex.quote(folder.name)}{where}{' --' * bool(options)}{options}"


def refuse_with_resume(given: Mapping[str, Any]) -> None:
    """Refuse what an earlier run has settled.

    Raises:
        InputError: Something of it was given again.
    """
    repeated = [name for name, value in given.items() if value is not None and value != []]
    if repeated:
        named = ", ".join("the paths" if name == "paths" else option_of(name) for name in repeated)
        raise InputError(
            f"{named[0].upper()}{named[1:]} cannot be given with --resume: the run keeps its own.",
            hint="Leave that out, or start a new run.",
        )
