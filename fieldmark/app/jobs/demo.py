"""The demo of the studio: drawn birds, a script in the place of a language model, and a run to look at."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.app.review.listing import list_runs
from fieldmark.errors import ServerError
from fieldmark.reading import read_text
from fieldmark.settings import overridden, read_settings
from fieldmark.tools.runs.events import PicturesDrawn, Progress, no_progress

if TYPE_CHECKING:
    from fieldmark.evals.demo.beside import DemoPictures

GUIDE = "fieldmark.evals.demo.beside"
STOP_S = 20
"""How long a run may take to keep what it has, in seconds."""


@dataclass(frozen=True)
class Demo:
    """What a newcomer finds.

    Attributes:
        home: Where the demo keeps everything; one's own concepts are elsewhere.
        runs: Its run folders.
        pool: Pictures to talk about.
        name: What an idea could be called.
        about: What its owner would say that it means.
    """

    home: Path
    runs: Path
    pool: Path
    name: str
    about: str


@contextmanager
def demo_beside(
    home: Path, *, flock: int | None = None, species: int | None = None, progress: Progress = no_progress
) -> Iterator[Demo]:
    """Draw the pictures, serve the script in a process beside this one, and have a run made, all in a folder.

    What is begun meanwhile, in this process and others, asks that script. Everything stops at the end; a run
    that has not ended goes on the next time.

    Args:
        home: The folder; made if it does not exist.
        flock: How many pictures there are to talk about; 2,000 where not given.
        species: How many species the run tells apart; 20 where not given.
        progress: Shows progress.

    Raises:
        ServerError: The script does not answer.
    """
    from fieldmark.evals.demo.beside import IDEA, draw_pictures

    sizes = {name: size for name, size in (("flock", flock), ("species", species)) if size is not None}
    pictures = draw_pictures(
        home / "pictures", **sizes, progress=lambda done, of: progress(PicturesDrawn(done=done, of=of))
    )
    runs = home / "runs"
    with (
        _guide(pictures) as (base_url, model),
        overridden(home=home, base_url=base_url, llm=model, clip="aviary", api_key="none"),
        _run(pictures, runs),
    ):
        yield Demo(home, runs, pictures.flock, IDEA.name, IDEA.purpose)


@contextmanager
def _guide(pictures: "DemoPictures") -> Iterator[tuple[str, str]]:
    """Where the script answers meanwhile, and what it is called."""
    with subprocess.Popen(  # noqa: S603 (our own module)
        [sys.executable, "-m", GUIDE, str(pictures.flock), str(pictures.species)],
        stdin=subprocess.PIPE,  # it ends when this is closed: with this process, too
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said = process.stdout.readline() if process.stdout else ""
        if not said:
            raise ServerError("The demo's script did not start.", hint="What it wrote above says why.")
        found = json.loads(said)
        try:
            yield found["base_url"], found["model"]
        finally:
            if process.stdin:
                process.stdin.close()


@contextmanager
def _run(pictures: "DemoPictures", runs: Path) -> Iterator[None]:
    """Have the species told apart in a process beside this one, unless a run of before did that."""
    if any(each.state == "finished" for each in list_runs(runs)):
        yield
        return
    with subprocess.Popen(  # noqa: S603 (our own module)
        [
            sys.executable,
            "-m",
            "fieldmark.app.jobs.demo",
            str(pictures.species),
            str(pictures.classes),
            str(runs),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()


def tell_species_apart(images: Path, classes: Path, runs: Path) -> None:
    """Classify the pictures of the species, or go on with the run that did not come to its end."""
    from fieldmark.app.classifier import Classifier

    settings = read_settings()
    begun = next((each for each in list_runs(runs) if each.state in ("cut short", "stopped")), None)
    if begun is None:
        Classifier(classes=read_text(classes).splitlines(), llm=settings.llm, out=runs).resolve(images)
    else:  # the script answers elsewhere by now
        Classifier.from_run(begun.run_id, out=runs, base_url=settings.base_url).resolve()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    with suppress(KeyboardInterrupt):
        tell_species_apart(*map(Path, sys.argv[1:]))
