"""Writes the labels of a finished classification for other tools: Label Studio, COCO, CVAT."""

import errno
import os
from pathlib import Path
from typing import Literal

from PIL import Image

from fieldmark.app.review.labelling import NONE
from fieldmark.errors import InputError
from fieldmark.records import GivenLabel, Prediction
from fieldmark.tools.images.in_memory import COPIES
from fieldmark.tools.interchange.coco import write_coco
from fieldmark.tools.interchange.cvat import write_cvat
from fieldmark.tools.interchange.label_studio import label_config, write_tasks
from fieldmark.tools.interchange.tagged import TaggedImage
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import read_given

Tool = Literal["label-studio", "coco", "cvat"]
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)
"""EXIF's tag, and its values for a picture that is shown turned by a quarter."""
CONFIG = ".config.xml"
"""What Label Studio's labelling configuration is called beside the tasks."""


def hand_over(
    run: RunFolder | Path | str,
    to: Path | str,
    *,
    tool: Tool,
    prefix: str = "",
    out: Path | str = Path("runs"),
) -> tuple[Path, ...]:
    """Write the labels of a run's images into a file that another tool imports.

    The label is the one that counts in the end (`Prediction.decision`); what a person said of an image since
    goes before it.

    Args:
        run: A finished classification, its id, or its folder.
        to: The file; it must not be there yet.
        tool: Whose file it is to be.
        prefix: Label Studio: what stands before each path, such as `LOCAL_FILES`.
        out: Where run folders are.

    Returns:
        The files that were written.

    Raises:
        RunError: There is no such run, or it is not finished.
        InputError: The file is there, or cannot be written.
    """
    folder = run if isinstance(run, RunFolder) else RunFolder.open(out, run, kind="classify")
    to = Path(to)
    kept = folder.config.options.get("classes")
    classes = [str(each) for each in kept] if isinstance(kept, list) else []
    said = {each.image_hash: each for each in read_given(folder, classes)}
    sized = tool != "label-studio"
    images = [_tagged(p, said.get(p.image_hash), folder, sized=sized) for p in folder.read_predictions()]
    made_by = f"fieldmark {folder.run_id}"
    texts = {
        "label-studio": lambda: write_tasks(images, made_by=made_by, prefix=prefix),
        "coco": lambda: write_coco(images, classes=classes, made_by=made_by),
        "cvat": lambda: write_cvat(images, classes=classes, made_by=made_by),
    }
    written = {to: texts[tool]()}
    if tool == "label-studio":
        written[to.with_name(to.name + CONFIG)] = label_config(classes)
    try:
        if there := next(filter(Path.exists, written), None):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(there))
        for path, text in written.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise InputError(
            f"{str(error.filename or to)!r} cannot be written: {error.strerror or error}.",
            hint="Name a file that is not there yet: nothing is overwritten.",
            field="to",
        ) from error
    return tuple(written)


def _tagged(p: Prediction, said: GivenLabel | None, run: RunFolder, *, sized: bool) -> TaggedImage:
    """One image with the label that counts now."""
    width, height = _size(p, run) if sized else (0, 0)
    label = NONE if p.decision is None else p.decision
    if said is not None:
        label = said.label or (NONE if said.answer == NONE else "")
    sure = p.vlm_confidence if p.decided_by == "vlm" and p.vlm_confidence is not None else p.confidence
    by_person = said is not None or p.decided_by == "label"
    return TaggedImage(
        path=p.image,
        label=label,
        content_hash=p.image_hash,
        confidence=None if by_person else round(sure, 6),
        status=p.status,
        by="person" if by_person else "run",
        width=width,
        height=height,
    )


def _size(p: Prediction, run: RunFolder) -> tuple[int, int]:
    """Width and height as the picture is shown, by the file's header; 0 and 0 where it is gone."""
    small = run.path / COPIES / f"{p.image_hash}.png"
    path = small if small.is_file() else Path(str(run.config.options.get("folder") or "."), p.image)
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
            return (image.height, image.width) if turned else image.size
    except (OSError, ValueError):
        return 0, 0
