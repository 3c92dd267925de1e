"""Sorts the images of a finished classification into folders, and writes its table with more classes."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import InputError
from fieldmark.reading import open_regular, read_bytes
from fieldmark.records import ClassProbabilities, Prediction, Record, SkippedInput
from fieldmark.tools.images.in_memory import COPIES
from fieldmark.tools.images.safe_names import safe_names
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.predictions_csv import predictions_csv
from fieldmark.tools.runs.probabilities import all_probabilities

KIND = "classify"
OPEN, REJECTED = "open", "rejected"
"""Folders for images without a settled label; no class has one of these names."""
MARK = "fieldmark-sorted.json"
"""What a folder of sorted images is known by: the run, and the folder of each label."""
_PART = ".fieldmark-part"


class SortedFolder(Record):
    """What stands in a folder of sorted images, as `MARK` keeps it."""

    format: Literal["fieldmark.sorted/1"] = "fieldmark.sorted/1"
    run: str
    folders: dict[str, str]
    """Label → name of its folder: they differ where a label is no name that a folder can have."""


class Sorted(Record):
    """What `sort_run` did."""

    format: Literal["fieldmark.sort/1"] = Field(default="fieldmark.sort/1", serialization_alias="schema")
    run: str
    into: str
    counts: dict[str, int]
    """Folder, relative to `into` → images in it."""
    already_there: int
    """Of all these: images that an earlier sorting had put there."""
    folders: dict[str, str]
    """Label → name of its folder."""
    skipped: tuple[SkippedInput, ...]
    """Images that could not be put there, and why."""


@dataclass(frozen=True)
class _Move:
    source: Path
    target: Path
    content_hash: str | None
    """What the file must hold; None for the small copy of an image that had no file."""


def sort_run(
    run: RunFolder | Path | str, into: Path | str, *, out: Path | str = Path("runs"), link: bool = False
) -> Sorted:
    """Put the images of a finished classification into folders: `LABEL/`, `open/LABEL/` and `rejected/`.

    The label is the one that counts in the end (`Prediction.decision`); an open image that a vision-language
    model decided stays under `open/`. Nothing is overwritten, moved or deleted: a folder that holds anything
    else is refused, and where the same run was sorted before, what is there stays.

    Args:
        run: The run, its id, or its folder.
        into: The folder; it is made where it is not there.
        out: Where run folders are.
        link: Make symbolic links instead of copies.

    Raises:
        RunError: There is no such run, or it is not finished.
        InputError: The folder holds something else, or cannot be written.
    """
    folder = run if isinstance(run, RunFolder) else RunFolder.open(out, run, kind=KIND)
    predictions = tuple(folder.read_predictions())
    into = Path(into)
    classes = folder.config.options.get("classes")
    labels = [str(each) for each in classes] if isinstance(classes, list) else []
    names = safe_names(
        [*labels, *(p.decision for p in predictions if p.decision is not None)], taken=(OPEN, REJECTED, MARK)
    )
    try:
        _claim(into, SortedFolder(run=folder.run_id, folders=names))
        counts: Counter[str] = Counter()
        skipped: list[SkippedInput] = []
        already = 0
        for prediction, move in zip(predictions, _moves(predictions, folder, into, names), strict=True):
            put, reason = _put(move, link=link)
            if reason:
                skipped.append(SkippedInput(path=prediction.image, reason=reason))
                continue
            counts[move.target.parent.relative_to(into).as_posix()] += 1
            already += not put
    except OSError as error:
        raise InputError(
            f"{str(error.filename or into)!r} cannot be written: {error.strerror or error}.",
            hint="Make room or choose another folder; the same command goes on where it stopped.",
            field="into",
        ) from error
    return Sorted(
        run=str(folder.path),
        into=str(into),
        counts=dict(sorted(counts.items())),
        already_there=already,
        folders=names,
        skipped=tuple(skipped),
    )


def write_label_table(run: RunFolder, *, top_k: int = 1, all_classes: bool = False) -> Path:
    """Write `predictions.csv` of a finished run anew, with more classes and their probabilities.

    Args:
        run: A classification's folder.
        top_k: Classes named in each row, the label among them.
        all_classes: Whether each class has a column with its probability.

    Raises:
        RunError: The run keeps no probabilities: it is not finished, or an earlier version wrote it.
    """
    kept = run.read(ClassProbabilities.FILE, ClassProbabilities)
    probabilities = all_probabilities(kept, ArrayStore(run.path / "arrays"))
    return run.write_text(
        "predictions.csv",
        predictions_csv(
            tuple(run.read_predictions()),
            classes=kept.classes,
            probabilities=probabilities,
            top_k=top_k,
            all_classes=all_classes,
        ),
    )


def _claim(into: Path, mark: SortedFolder) -> None:
    """Make the folder this run's, or see that it is.

    Raises:
        InputError: It holds something else.
        OSError: It cannot be made.
    """
    into.mkdir(parents=True, exist_ok=True)
    path = into / MARK
    if path.exists():
        try:
            found = SortedFolder.model_validate_json(read_bytes(path))
        except ValidationError:
            found = None
        if found == mark:
            return
        whose = f"images of run {found.run}" if found else "a damaged list of sorted images"
        raise InputError(
            f"{str(into)!r} holds {whose}.",
            hint="Choose another folder: nothing is overwritten.",
            field="into",
        )
    if any(into.iterdir()):
        raise InputError(
            f"{str(into)!r} is not empty.", hint="Choose a new folder: nothing is overwritten.", field="into"
        )
    with path.open("x", encoding="utf-8") as file:
        file.write(mark.model_dump_json(indent=2) + "\n")


def _moves(
    predictions: Sequence[Prediction], run: RunFolder, into: Path, names: dict[str, str]
) -> list[_Move]:
    """Where each image goes; the same each time, files of the same name in one folder numbered in order."""
    started_in = Path(str(run.config.options.get("folder") or "."))
    used: set[Path] = set()
    moves: list[_Move] = []
    for p in predictions:
        name = REJECTED if p.decision is None else names[p.decision]
        folder = into / (f"{OPEN}/{name}" if p.status == "open" else name)
        source, content_hash = started_in / p.image, p.image_hash
        small = run.path / COPIES / f"{p.image_hash}.png"
        if small.is_file():
            source, content_hash = small.absolute(), None
        name = Path(p.image).name if content_hash else f"{p.image}.png"
        target, number = folder / name, 1
        while _folded(target) in used:
            number += 1
            target = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
        used.add(_folded(target))
        moves.append(_Move(source, target, content_hash))
    return moves


def _put(move: _Move, *, link: bool) -> tuple[bool, str]:
    """Put one image where it goes.

    Returns:
        Whether it was put there now, and why it could not be; the reason is empty where it is there.
    """
    if move.target.is_file():
        known = move.content_hash or _hash(move.source)
        return False, "" if _hash(move.target) == known else f"{str(move.target)!r} is another file"
    if not move.source.is_file():
        return False, "it is not there any more"
    move.target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        move.target.symlink_to(move.source.absolute())
        return True, ""
    part = move.target.with_name(_PART)
    shutil.copyfile(move.source, part)
    try:
        if move.content_hash not in (None, _hash(part)):
            return False, "it has changed since the run"
        part.rename(move.target)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    return True, ""


def _hash(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folded(path: Path) -> Path:
    """What a file system may take a path for, without case."""
    return path.with_name(path.name.casefold())
