"""`fieldmark studio`: serves the pages for people who do not type commands, until Ctrl-C."""

import contextlib
import sys
import threading
from pathlib import Path
from typing import Annotated

from fieldmark.cli.run_options import option
from fieldmark.cli.terminal import errors, words
from fieldmark.errors import InputError

PORT = 8765
NEEDED = ("fastapi", "starlette", "uvicorn", "python_multipart")


def studio(
    host: Annotated[
        str, option("Address to listen on. Another one than this machine's own needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, option("Port; 0 takes a free one.", min=0, max=65535)] = PORT,
    token: Annotated[
        str | None,
        option(
            "What visitors must show, 16 characters or more. For another host one is made and printed.",
            show_default=False,
        ),
    ] = None,
    home: Annotated[
        Path | None,
        option("Where concepts and small pictures are kept. Else FIELDMARK_HOME.", show_default=False),
    ] = None,
    runs: Annotated[Path | None, option("Folder where runs are (runs).", show_default=False)] = None,
    demo: Annotated[
        bool, option("Begin with drawn birds, and a script in the place of a language model.", "--demo")
    ] = False,
    browser: Annotated[
        bool, option("Open the page in the browser.", "--browser/--no-browser", show_default=False)
    ] = True,
) -> None:
    """Make concepts, look through runs and put labels right on a page in the browser. Ctrl-C stops it.

    Nothing leaves this machine: the page loads nothing from elsewhere, and only this machine can open it,
    unless --host says otherwise. With --demo it needs no pictures, no key and no network.
    """
    try:
        from fieldmark.studio.access import is_loopback
        from fieldmark.studio.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEEDED:
            raise
        raise InputError(
            f"The studio needs the package {error.name}, which is not installed.",
            hint='Install it: pip install "fieldmark[studio]"',
        ) from None
    import secrets
    import webbrowser

    from fieldmark.cli.progress import TerminalProgress
    from fieldmark.settings import overridden, read_settings

    if demo and runs is not None:
        raise InputError(
            "The demo has a folder for its runs.", hint="Leave one of the two out.", field="runs"
        )
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    console = words(json=False)

    def ready(address: str) -> None:
        link = f"{address}enter?token={token}" if token else address
        console.say(f"The studio is open at {link}")
        errors().say("Ctrl-C stops it.")
        if not is_loopback(host):
            errors().say(
                "Whoever has this address, token included, can see and label all images of the runs."
            )
        if browser and sys.stdout.isatty():
            threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()

    with contextlib.ExitStack() as open_meanwhile:
        open_meanwhile.enter_context(overridden(home=home.absolute() if home else None))
        kept, at = read_settings().home, (runs or Path("runs")).absolute()
        found = None
        if demo:
            from fieldmark.app.jobs.demo import demo_beside

            with TerminalProgress("Drawing birds") as progress:
                found = open_meanwhile.enter_context(demo_beside(kept / "demo", progress=progress))
            kept, at = found.home, found.runs
            errors().say("A script answers here in the place of a language model, and the birds are drawn.")
        try:
            serve(host=host, port=port, token=token, home=kept, runs=at, demo=found, ready=ready)
        except KeyboardInterrupt:
            errors().say("The studio is closed.")
