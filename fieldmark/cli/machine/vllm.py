"""`fieldmark vllm`: serves a local language model while a command runs, or until Ctrl-C."""

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import Json, option
from fieldmark.cli.terminal import amount, errors, leave, print_json, words
from fieldmark.errors import InputError
from fieldmark.reading import size_in_words

if TYPE_CHECKING:
    from fieldmark.tools.llm.serving.gpus import Gpu
    from fieldmark.tools.llm.serving.throughput import Throughput
    from fieldmark.tools.llm.serving.vllm import Server

CONCURRENCY = "FIELDMARK_LLM_CONCURRENCY"


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
    measure: Annotated[
        bool | None,
        option(
            "Ask questions for a minute, and say how fast it answers. \\[default: without --command]",
            "--measure/--no-measure",
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, option("Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, option("Port; 0 takes a free one.", min=0, max=65535)] = 0,
    binary: Annotated[str, option("The vLLM program.")] = "vllm",
    timeout: Annotated[float, option("Seconds until it must be healthy.", min=1)] = 1800,
    dry_run: Annotated[bool, option("Say what would be started, and start nothing.", "--dry-run")] = False,
    json: Json = False,
    verbose: Annotated[bool, option("Show what the server prints.", "--verbose", "-v")] = False,
) -> None:
    """Start a local vLLM server, wait until it is healthy, and stop it again.

    It gets the options that Fieldmark's questions need, for the model and the GPUs of this machine; --dry-run
    shows them. The command gets OPENAI_BASE_URL, OPENAI_API_KEY and FIELDMARK_LLM, so that this works as it
    stands:

    fieldmark vllm Qwen/Qwen3-8B --command "fieldmark classify photos --classes a,b,c" -- --max-model-len 8192
    """
    from fieldmark.settings import read_settings
    from fieldmark.tools.llm.serving.gpus import find_gpus
    from fieldmark.tools.llm.serving.model_facts import read_model_facts
    from fieldmark.tools.llm.serving.options import plan_serving
    from fieldmark.tools.llm.serving.vllm import LOCAL_KEY, run_vllm, serve_arguments

    wanted = _command(command, json=json)
    console = errors()
    facts = read_model_facts(model)
    gpus = find_gpus()
    plan = plan_serving(facts, gpus, options or ())
    arguments = serve_arguments(binary, model, host=host, port=port, options=plan.options)
    told: dict[str, Any] = {
        "schema": "fieldmark.vllm/1",
        "command": list(arguments),
        "notes": list(plan.notes),
        "machine": _machine(gpus),
        "sees_images": facts.sees,
    }
    if dry_run:
        if json:
            print_json(told)
        else:
            words(json=False).say(shlex.join(arguments))
        for note in plan.notes:
            console.say(note)
        console.say(f"This machine: {told['machine']}.")
        return
    for note in plan.notes:
        console.say(note)
    environment = {"FIELDMARK_LLM": model}
    if read_settings().llm_concurrency is None:  # four at a time, the default, would leave a GPU idle
        environment[CONCURRENCY] = "auto"
    progress = TerminalProgress(f"Starting {model}")

    def ready(server: "Server") -> None:
        progress.stop()
        stop = "; Ctrl-C stops it" if wanted is None else ""
        console.say(f"{server.model} is served at {server.base_url}{stop}.")
        measured: dict[str, tuple[Throughput, ...]] = {}
        settings = {
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": LOCAL_KEY,
            "FIELDMARK_LLM": server.model,
        }
        if measure or (measure is None and wanted is None):
            from fieldmark.app.serving.measuring import best_concurrency, measure_server

            with TerminalProgress("Measuring how many questions a second it answers") as measuring:
                measured = measure_server(
                    server, sees=bool(facts.sees), warn=lambda said: measuring.line(f"warning: {said}")
                )
            if at_once := best_concurrency(measured):
                settings[CONCURRENCY] = str(at_once)
                if CONCURRENCY in environment:  # else it was set by whoever runs this
                    environment[CONCURRENCY] = str(at_once)
            for kind, found in measured.items():
                for each in found:
                    console.say(f"Questions {kind}: {_in_words(each)}")
            console.say(f"Measured on this machine: {told['machine']}.")
        if facts.sees:
            console.say(f"To show it open images: --vlm {server.model} --vlm-base-url {server.base_url}")
        if json:
            print_json(told | {"settings": settings, "throughput": _as_json(measured)})
        elif wanted is None:
            for name, value in settings.items():
                words(json=False).say(f"export {name}={shlex.quote(value)}")

    with progress:
        if not console.is_terminal:
            console.say(f"Starting {model}; the first start downloads its weights …")
        status = run_vllm(
            model,
            command=wanted,
            options=plan.options,
            binary=binary,
            host=host,
            port=port,
            health_timeout_s=timeout,
            environment=environment,
            on_line=(lambda line: console.say(line, "dim")) if verbose else None,
            on_ready=ready,
        )
    leave(status)


def _command(command: str | None, *, json: bool) -> list[str] | None:
    try:
        wanted = shlex.split(command) if command is not None else None
    except ValueError as error:
        raise InputError(
            f"--command cannot be read: {str(error).lower()}.", hint="Check its quotes."
        ) from None
    if wanted == []:
        raise InputError("--command is empty.", hint="Leave it out to serve until Ctrl-C.")
    if wanted and json:
        raise InputError(
            "--json and --command would both print to stdout.", hint="Give the command its own --json."
        )
    return wanted


def _machine(gpus: "Sequence[Gpu]") -> str:
    cores = amount(os.cpu_count() or 1, "processor core")
    if not gpus:
        return f"{cores}, no GPU that nvidia-smi lists"
    kinds = dict.fromkeys(f"{gpu.name} ({size_in_words(gpu.memory)})" for gpu in gpus)
    return f"{amount(len(gpus), 'GPU')}, {' and '.join(kinds)}; {cores}"


def _in_words(each: "Throughput") -> str:
    said = (
        f"{each.at_once} at a time, {each.answers_a_second:.3g} answers/s, "
        f"{each.answer_tokens / each.seconds:,.0f} answer tokens/s, {each.median_s:.3g} s an answer (median "
        f"of {each.answered})"
    )
    return said + (f"; {each.failed} without a usable answer" if each.failed else "") + "."


def _as_json(measured: "dict[str, tuple[Throughput, ...]]") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        kind: [asdict(each) | {"answers_a_second": each.answers_a_second} for each in found]
        for kind, found in measured.items()
    }
