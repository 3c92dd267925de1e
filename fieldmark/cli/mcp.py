"""`fieldmark mcp`: gives a language model's program Fieldmark as tools."""

from pathlib import Path
from typing import Annotated

from fieldmark.cli.run_options import option
from fieldmark.errors import InputError


def mcp(
    root: Annotated[
        Path, option("Images and exports must lie in this folder.", exists=True, file_okay=False)
    ] = Path(),
    runs: Annotated[Path, option("Folder where runs are.")] = Path("runs"),
    home: Annotated[
        Path | None,
        option("Where concepts, answers and vectors are kept. Else FIELDMARK_HOME.", show_default=False),
    ] = None,
    write: Annotated[
        bool, option("Let it classify, which asks a language model, and write labels down.")
    ] = False,
    max_calls: Annotated[int, option("With --write: the most questions of one classification.", min=1)] = 200,
) -> None:
    """Serve runs, reasons, exported classifiers and concepts as tools (Model Context Protocol, over stdio).

    Register it where your assistant lists its servers: command "fieldmark", arguments "mcp". Without --write
    nothing can be changed and nothing is asked.
    """
    try:
        from fieldmark.mcp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        raise InputError(
            "The tools need the package mcp, which is not installed.",
            hint='Install it: pip install "fieldmark[mcp]"',
        ) from None
    from fieldmark.mcp.reach import Reach
    from fieldmark.settings import read_settings

    reach = Reach(
        root=root.absolute(),
        runs=runs.absolute(),
        home=home.absolute() if home else read_settings().home,
        max_calls=max_calls,
    )
    serve(reach, write=write)
