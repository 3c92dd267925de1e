"""`fieldmark vllm`: serves a local language model while a command runs, or until Ctrl-C."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import option
from fieldmark.cli.terminal import errors, leave, words
from fieldmark.errors import InputError

if TYPE_CHECKING:
    from fieldmark.tools.llm.vllm import Server


def vllm(
    model: Annotated[str, typer.Argument(help="Hub name or folder of the model.", show_default=False)],
    options: Annotated[
        list[str] | None,
        typer.Argument(help="After --: further options of `vllm serve`.", show_default=False),
    ] = None,
    command: Annotated[
        str | None,
        option("Command to run against the server; else it serves until Ctrl-C.", show_default=False),
    ] = None,
    host: Annotated[str, option("Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, option("Port; 0 takes a free one.", min=0, max=65535)] = 0,
    binary: Annotated[str, option("The vLLM program.")] = "vllm",
    timeout: Annotated[float, option("Seconds until it must be healthy.", min=1)] = 1800,
    verbose: Annotated[bool, option("Show what the server prints.", "--verbose", "-v")] = False,
) -> None:
    """Start a local vLLM server, wait until it is healthy, and stop it again.

    The command gets OPENAI_BASE_URL, OPENAI_API_KEY and FIELDMARK_LLM, so that this works as it stands:

    fieldmark vllm Qwen/Qwen3-8B --command "fieldmark classify photos --classes a,b,c" -- --max-model-len 8192
    """
    from fieldmark.tools.llm.vllm import LOCAL_KEY, run_vllm

    try:
        wanted = shlex.split(command) if command is not None else None
    except ValueError as error:
        raise InputError(
            f"--command cannot be read: {str(error).lower()}.", hint="Check its quotes."
        ) from None
    if wanted == []:
        raise InputError("--command is empty.", hint="Leave it out to serve until Ctrl-C.")
    console = errors()
    progress = TerminalProgress(f"Starting {model}")

    def ready(server: "Server") -> None:
        progress.stop()
        stop = "; Ctrl-C stops it" if wanted is None else ""
        console.say(f"{server.model} is served at {server.base_url}{stop}.")
        if wanted is None:
            out = words(json=False)
            out.say(f"export OPENAI_BASE_URL={shlex.quote(server.base_url)}")
            out.say(f"export OPENAI_API_KEY={LOCAL_KEY}")
            out.say(f"export FIELDMARK_LLM={shlex.quote(server.model)}")

    with progress:
        if not console.is_terminal:
            console.say(f"Starting {model}; the first start downloads its weights …")
        status = run_vllm(
            model,
            command=wanted,
            options=options or (),
            binary=binary,
            host=host,
            port=port,
            health_timeout_s=timeout,
            environment={"FIELDMARK_LLM": model},
            on_line=(lambda line: console.say(line, "dim")) if verbose else None,
            on_ready=ready,
        )
    leave(status)
