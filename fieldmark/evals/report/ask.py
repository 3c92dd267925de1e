"""Writes the page of the images whose labels would help a run most, and says how to give them."""

import shlex
from dataclasses import dataclass
from pathlib import Path, PurePath

from markupsafe import Markup

from fieldmark.evals.report import figures
from fieldmark.evals.report.page import render, write_page
from fieldmark.evals.report.pictures import Pictures
from fieldmark.records import ImageToLabel
from fieldmark.tools.images.in_memory import COPIES
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import ASK, ASK_PAGE, read_ask

LONGEST_SIDE = 320
"""Of a picture, in pixels: a person is to tell look-alikes apart on it."""


@dataclass(frozen=True)
class AskedImage:
    """One image as the page shows it.

    Attributes:
        number: Its place, from 1, as `fieldmark label` counts.
        image: What is asked.
        file: Name of the file and of its folder.
        picture: Data URL, or None.
        candidates: Class, probability and bar.
    """

    number: int
    image: ImageToLabel
    file: str
    picture: str | None
    candidates: tuple[tuple[str, float, Markup], ...]


def write_ask_page(run: RunFolder) -> Path | None:
    """Write `ask.html` beside a run's `ask.csv`: pictures, candidates, and how to answer.

    Args:
        run: The folder of a finished classification.

    Returns:
        Path of the page; None where the run asks about no image.

    Raises:
        RunError: It cannot be written.
    """
    asked = read_ask(run)
    if not asked:
        return None
    pictures = Pictures(longest_side=LONGEST_SIDE, copies=run.path / COPIES)
    html = render(
        "ask.html",
        run=run.path,
        run_id=run.run_id,
        images=[_shown(number, image, pictures) for number, image in enumerate(asked, 1)],
        command=f"fieldmark label {shlex.quote(str(run.path))}",
        table=shlex.quote(str(run.path / ASK)),
    )
    return write_page(run.path / ASK_PAGE, html)


def _shown(number: int, image: ImageToLabel, pictures: Pictures) -> AskedImage:
    return AskedImage(
        number=number,
        image=image,
        file="/".join(PurePath(image.image).parts[-2:]),
        picture=pictures.of(image.image, image.image_hash),
        candidates=tuple(
            (name, probability, figures.share(probability))
            for name, probability in zip(image.candidates, image.probabilities, strict=False)
        ),
    )
