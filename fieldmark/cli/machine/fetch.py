"""`fieldmark fetch`: gets the weights of a CLIP model from the hub, once, where there is a network."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import Json, option
from fieldmark.cli.terminal import amount, print_json, words
from fieldmark.reading import size_in_words as size

if TYPE_CHECKING:
    from fieldmark.errors import HubUnreachable


def fetch(
    model: Annotated[
        str | None,
        typer.Argument(
            help="MODEL:PRETRAINED or hf-hub:OWNER/NAME. Else the one in FIELDMARK_CLIP.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, option("Say what would be fetched, and fetch nothing.", "--dry-run")] = False,
    json: Json = False,
) -> None:
    """Fetch a CLIP model's weights from the Hugging Face hub, and check their hash.

    The size is said first; Ctrl-C stops, and the same command goes on. HF_ENDPOINT names another hub, HF_HOME
    another folder for the files. Exit codes: 0 it is here; 2 it cannot be fetched; 130 Ctrl-C.
    """
    with TerminalProgress("Asking the hub") as progress:
        from fieldmark.settings import read_settings
        from fieldmark.tools.clip.known_names import check_fetchable

        spec = read_settings().clip if model is None else model
        check_fetchable(spec)
        from fieldmark.errors import HubUnreachable
        from fieldmark.tools.clip.hub import reach_hub
        from fieldmark.tools.runs.events import BytesFetched

        try:
            reach_hub(spec)  # before torch is loaded, which takes seconds
            from fieldmark.tools.clip.fetching import fetch, plan_fetch

            plan = plan_fetch(spec)
        except HubUnreachable as error:
            progress.stop()
            tell_here(spec, error, json=json)
            return
        progress.line(
            f"{spec}: {amount(len(plan.files), 'file')}, {size(plan.size)}, of them {size(plan.missing)} to "
            f"fetch from {plan.endpoint}"
        )
        for file in plan.files:
            here = "  (here)" if file.here else ""
            progress.line(f"  {file.repository}/{file.name}  {size(file.size)}{here}")
        came = 0

        def told(count: int) -> None:
            nonlocal came
            came += count
            progress(BytesFetched(done=came, of=plan.missing))

        source = None if dry_run else fetch(plan, told=told)
    if json:
        print_json(
            {
                "schema": "fieldmark.fetch/1",
                "model": spec,
                "endpoint": plan.endpoint,
                "folder": str(plan.folder),
                "bytes": plan.size,
                "missing_bytes": plan.missing,
                "fetched": source is not None,
                "weights": source.weights if source else None,
                "files": [
                    {"repository": each.repository, "name": each.name, "bytes": each.size, "here": each.here}
                    for each in plan.files
                ],
            }
        )
    if source is None:
        return
    console = words(json=json)
    console.say(f"Every file has the hash that the hub states. In {plan.folder}")
    console.say(f"Use it: --clip {shlex.quote(spec)}, or FIELDMARK_CLIP={shlex.quote(spec)}")


def tell_here(spec: str, error: "HubUnreachable", *, json: bool) -> None:
    """Say that a model's weights are here, where the hub does not answer.

    Raises:
        HubUnreachable: They are not.
    """
    from fieldmark.errors import ModelError
    from fieldmark.tools.clip.hub import keeps_models

    if not keeps_models():
        raise error
    from fieldmark.tools.clip.weights import find_model

    try:
        source = find_model(spec)
    except ModelError:
        raise error from None
    if json:
        print_json(
            {
                "schema": "fieldmark.fetch/1",
                "model": spec,
                "endpoint": None,
                "folder": None,
                "bytes": None,
                "missing_bytes": None,
                "fetched": False,
                "weights": source.weights,
                "files": [],
            }
        )
    console = words(json=json)
    console.say(error.message)
    console.say(f"Its weights are here, unchecked: {source.weights}")
    console.say(f"Use it: --clip {shlex.quote(spec)}, or FIELDMARK_CLIP={shlex.quote(spec)}")
