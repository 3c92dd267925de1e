"""Writes the labels of a finished classification for other tools, and as tables."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Literal

from PIL import Image

from fieldmark.app.review.labelling import NONE
from fieldmark.errors import InputError
from fieldmark.reading import read_bytes
from fieldmark.records import GivenLabel, Prediction
from fieldmark.records.names import plain_name
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.in_memory import COPIES
from fieldmark.tools.interchange.coco import write_coco
from fieldmark.tools.interchange.cvat import write_cvat
from fieldmark.tools.interchange.fiftyone import write_fiftyone
from fieldmark.tools.interchange.label_studio import label_config, write_tasks
from fieldmark.tools.interchange.table import write_labels_csv, write_labels_parquet, write_pictures
from fieldmark.tools.interchange.tagged import TaggedImage
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import read_given

Tool = Literal["label-studio", "coco", "cvat", "fiftyone", "huggingface", "parquet", "csv"]
SUFFIX: dict[Tool, str] = {
    "label-studio": ".json",
    "coco": ".json",
    "cvat": ".xml",
    "fiftyone": ".json",
    "huggingface": ".parquet",
    "parquet": ".parquet",
    "csv": ".csv",
}
"""How the file of each tool ends."""
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
        InputError: The file is there, ends wrongly or cannot be written; a picture that goes into it is gone
            or has changed; a class has the name of no class; pyarrow is not installed.
    """
    to = Path(to)
    if to.suffix.lower() != SUFFIX[tool]:
        raise InputError(
            f"{str(to)!r} does not end with {SUFFIX[tool]}.",
            hint="Name it so: files are known by it.",
        )
    folder = run if isinstance(run, RunFolder) else RunFolder.open(out, run, kind="classify")
    kept = folder.config.options.get("classes")
    classes = [str(each) for each in kept] if isinstance(kept, list) else []
    if own := next((name for name in classes if plain_name(name) == NONE), None):
        raise InputError(
            f"The class {own!r} has the name that images of none of the classes get: nobody could tell.",
            hint="Name the class otherwise, and run anew.",
        )
    said = {each.image_hash: each for each in read_given(folder, classes)}
    predictions = list(folder.read_predictions())
    files = [_file(p, folder) for p in predictions]
    images = [
        _tagged(p, said.get(p.image_hash), file if tool in ("coco", "cvat") else None)
        for p, file in zip(predictions, files, strict=True)
    ]
    made_by = f"fieldmark {folder.run_id}"
    texts: dict[Tool, Callable[[], str]] = {
        "label-studio": lambda: write_tasks(images, made_by=made_by, prefix=prefix),
        "coco": lambda: write_coco(images, classes=classes, made_by=made_by),
        "cvat": lambda: write_cvat(images, classes=classes, made_by=made_by),
        "fiftyone": lambda: write_fiftyone(images, [str(f.path.absolute()) for f in files], classes=classes),
        "csv": lambda: write_labels_csv(images),
    }
    written: dict[Path, Callable[[IO[bytes]], object]] = {}
    if tool == "parquet":
        written[to] = lambda file: write_labels_parquet(file, images)
    elif tool == "huggingface":
        written[to] = lambda file: write_pictures(file, images, _pictures(files), classes=classes)
    else:
        written[to] = lambda file: file.write(texts[tool]().encode("utf-8", "replace"))
    if tool == "label-studio":
        written[to.with_name(to.name + CONFIG)] = lambda file: file.write(label_config(classes).encode())
    try:
        if there := next(filter(Path.exists, written), None):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(there))
        for path, write in written.items():
            with path.open("xb") as file:
                try:
                    write(file)
                except BaseException:
                    path.unlink()
                    raise
    except OSError as error:
        new = "Name a file that is not there yet: nothing is overwritten."
        raise InputError(
            f"{str(error.filename or to)!r} cannot be written: {error.strerror or error}.",
            hint=new if to.parent.is_dir() else f"Make the folder {str(to.parent)!r} first, or name another.",
        ) from error
    return tuple(written)


def _file(p: Prediction, run: RunFolder) -> ImageFile:
    """Where a picture is; without a hash of its bytes where it is the small copy of one that had no file."""
    small = run.path / COPIES / f"{p.image_hash}.png"
    folder = Path(str(run.config.options.get("folder") or "."))
    return ImageFile(small, "") if small.is_file() else ImageFile(folder / p.image, p.image_hash)


def _pictures(files: Sequence[ImageFile]) -> Iterator[bytes]:
    """The bytes of each file.

    Raises:
        InputError: One is not there, or has changed since the run.
    """
    for file in files:
        try:
            data = read_bytes(file.path)
        except OSError as error:
            raise _lost(file, error.strerror or str(error)) from error
        if file.content_hash and hashlib.sha256(data).hexdigest() != file.content_hash:
            raise _lost(file, "it has changed since the run")
        yield data


def _lost(file: ImageFile, why: str) -> InputError:
    return InputError(
        f"The picture {str(file.path)!r} cannot be used: {why}.",
        hint="The file holds every picture of the run: bring it back, or run anew.",
    )


def _tagged(p: Prediction, said: GivenLabel | None, file: ImageFile | None) -> TaggedImage:
    """One image with the label that counts now, and its size where its file is given."""
    width, height = _size(file.path) if file is not None else (0, 0)
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


def _size(path: Path) -> tuple[int, int]:
    """Width and height as the picture is shown, by the file's header; 0 and 0 where it is gone."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
            return (image.height, image.width) if turned else image.size
    except (OSError, ValueError):
        return 0, 0
