"""What people say of a run's images: those to ask about, and the answers, which are only added to."""

import os
from collections.abc import Iterable, Sequence

from fieldmark.cache.folders import write_whole
from fieldmark.cache.keys import content_key
from fieldmark.errors import RunError
from fieldmark.records import GivenLabel, ImageToLabel
from fieldmark.tools.datasets.csv_file import read_csv
from fieldmark.tools.runs.csv_table import as_cell, csv_text, joined, parted
from fieldmark.tools.runs.folder import ROOM, RunFolder

TAKEN_BACK = "taken back"
ASK, ASK_PAGE, LABELS = "ask.csv", "ask.html", "labels.csv"
_ASK_HEAD = ("image", "guess", "candidates", "probabilities", "why", "label", "image_hash")
_LABEL_HEAD = ("image", "answer", "label", "image_hash")
WAIT_S = 10
"""How long one process waits for another that writes labels."""


def write_ask(run: RunFolder, images: Iterable[ImageToLabel]) -> None:
    """Write `ask.csv`, whose column `label` is there to be filled; none without any image.

    The page that shows the images of before goes.
    """
    rows = [
        (
            each.image,
            each.guess,
            joined(each.candidates),
            "|".join(f"{probability:.4f}" for probability in each.probabilities),
            each.why,
            "",
            each.image_hash,
        )
        for each in images
    ]
    path = run.path / ASK
    try:
        if rows:
            write_whole(path, (csv_text(_ASK_HEAD, rows).encode(),))
        else:
            path.unlink(missing_ok=True)
        (run.path / ASK_PAGE).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{str(path)!r} cannot be written: {error.strerror or error}.", hint=ROOM) from error


def read_ask(run: RunFolder) -> list[ImageToLabel]:
    """The images that a run asks about; none where it asks about none.

    Raises:
        RunError: The file is damaged.
    """
    path = run.path / ASK
    if not path.is_file():
        return []
    try:
        return [
            ImageToLabel(
                image=row["image"],
                image_hash=row["image_hash"],
                guess=row["guess"],
                candidates=tuple(parted(row["candidates"])),
                probabilities=tuple(float(each) for each in row["probabilities"].split("|") if each),
                why=row["why"],
            )
            for row in read_csv(path, _ASK_HEAD)
        ]
    except ValueError as error:
        raise RunError(
            f"{str(path)!r} cannot be read: {str(error).splitlines()[0]}.",
            hint="Score the run again: it is written anew. Labels stand in another file.",
        ) from error


def append_labels(run: RunFolder, labels: Iterable[GivenLabel]) -> None:
    """Add labels to the run's `labels.csv`; of two about one image the later counts.

    Several processes may do so at once: one waits for the other.
    """
    from filelock import FileLock, Timeout

    rows = [(each.image, each.answer, each.label or "", each.image_hash) for each in labels]
    path = run.path / LABELS
    if not rows:
        return
    text = csv_text(_LABEL_HEAD, rows)
    try:
        with (
            FileLock(run.path / f"{LABELS}.lock", timeout=WAIT_S),
            path.open("ab+") as file,
        ):
            begun = file.tell() > 0
            if begun:
                file.seek(-1, os.SEEK_END)
                if file.read(1) not in b"\r\n":  # a last line that was cut short, or typed without its end
                    file.write(b"\r\n")
            file.write((text.partition("\r\n")[2] if begun else text).encode())
    except Timeout:
        raise RunError(
            f"Another process writes to {str(path)!r}.", hint="Try again when it has ended."
        ) from None
    except OSError as error:
        raise RunError(f"{str(path)!r} cannot be written: {error.strerror or error}.", hint=ROOM) from error


def read_given(run: RunFolder, classes: Sequence[str]) -> list[GivenLabel]:
    """What people say of the run's images by now: the last word on each, but for what was taken back.

    Raises:
        RunError: The file is damaged.
    """
    return last_words(read_said(run, classes))


def last_words(said: Iterable[GivenLabel]) -> list[GivenLabel]:
    """What counts of all that was said."""
    last = {each.image_hash: each for each in said}
    return [each for each in last.values() if each.answer != TAKEN_BACK]


def read_said(run: RunFolder, classes: Sequence[str]) -> list[GivenLabel]:
    """All that people ever said of the run's images, in order.

    Raises:
        RunError: The file is damaged.
    """
    path = run.path / LABELS
    if not path.is_file():
        return []
    names = {as_cell(name): name for name in classes}
    try:
        return [
            GivenLabel.model_validate({**row, "label": names[row["label"]] if row["label"] else None})
            for row in read_csv(path, _LABEL_HEAD)
        ]
    except (KeyError, ValueError) as error:
        raise RunError(
            f"{str(path)!r} holds labels that cannot be read: {error}.",
            hint="Take the damaged lines out; the others count.",
        ) from error


def labels_hash(labels: Iterable[GivenLabel]) -> str:
    """A hash of what was said, whatever the order; empty for nothing."""
    said = sorted((each.image_hash, each.answer, each.label or "") for each in labels)
    return content_key([list(each) for each in said]) if said else ""
