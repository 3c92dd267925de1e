"""Reads labels that people give for images of a pool: a table, a folder per class, or a mapping."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from fieldmark.app.inputs import find_given, images_by_name, named
from fieldmark.errors import InputError
from fieldmark.records import GivenLabel
from fieldmark.records.names import near_note, one_name, plain_name
from fieldmark.tools.datasets.csv_file import read_csv
from fieldmark.tools.images.given_paths import is_there
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.interchange.files import SUFFIXES, read_tagged
from fieldmark.tools.people import (
    PERSON,
    nobody_said,
    passed_note,
    refuse_predictions,
    said_by_people,
)
from fieldmark.tools.runs.csv_table import as_cell
from fieldmark.tools.scoring.evidence.labels import CANNOT_TELL, NONE_OF_THESE

Labels = Path | str | Mapping[str, str | None]
"""A CSV or Parquet table with image and label, a file of Label Studio, COCO, CVAT or FiftyOne, a folder with
one folder per class, or image → class, None for none."""
Answer = Literal["class", "none of these", "cannot tell", "taken back"]
NONE: Answer = "none of these"
UNSURE: Answer = "cannot tell"
BACK: Answer = "taken back"
_WORDS: dict[str, Answer] = {
    NONE: NONE,
    "none": NONE,
    "n": NONE,
    UNSURE: UNSURE,
    "unsure": UNSURE,
    "?": UNSURE,
    BACK: BACK,
}
_IMAGE, _LABEL = ("image", "path", "file"), ("label", "class", "class_name")


def words_of(labels: Labels) -> list[str]:
    """What labels say, row by row, but for answers that are no class.

    Raises:
        InputError: They cannot be read.
    """
    return [one_name(word) for _, _, word in _rows(labels) if plain_name(word) not in _WORDS]


def read_labels(
    labels: Labels | None,
    images: Sequence[ImageFile],
    classes: Sequence[str],
    *,
    notes: list[str] | None = None,
) -> list[GivenLabel]:
    """The labels of these images, the last one about each; a row without a label is passed over.

    One that takes back what was said before is among them.
    Images are known by the hash of their content where it is given (a folder's images are hashed), else by
    path, else by a file name that only one of them has.

    Args:
        labels: Where they are.
        images: The pool.
        classes: The classes.
        notes: Gets a note on labels that were passed over because a model gave them.

    Raises:
        InputError: It cannot be read, names a class that is none, or an image of no pool.
    """
    if labels is None:
        return []
    given, strange = _of_pool(_rows(labels, notes), images)
    answers = answers_of(classes)
    found = {image.content_hash: _given(image, word, answers, classes) for image, word in given}
    if strange and not found:
        raise InputError(
            f"None of the {len(strange):,} labels is of an image here; the first is of {strange[0][0]!r}.",
            hint="Name images as the run does, by path. Labels help only images of the same pool.",
            field="labels",
        )
    return list(found.values())


@dataclass(frozen=True)
class LabelledExamples:
    """Labelled images that a method learns from, and what was said of the images that it labels.

    Attributes:
        images: Images of classes, each with its class as label, in the order given.
        said: What was said of images of the pool, by content hash: a class, or None for none of them.
        contradicted: How many images had another label before the one that counts, the last.
    """

    images: tuple[ImageFile, ...] = ()
    said: Mapping[str, str | None] = field(default_factory=dict)
    contradicted: int = 0


def read_examples(
    labels: Labels,
    images: Sequence[ImageFile],
    classes: Sequence[str],
    *,
    notes: list[str] | None = None,
) -> LabelledExamples:
    """Labelled images, of the pool or anywhere else; a row without a label is passed over.

    A path that names no image of the pool is looked for from where the table lies, then from here. `notes` is
    that of `read_labels`.

    Raises:
        InputError: It cannot be read, names a class that is none, or an image that is not there.
    """
    answers = answers_of(classes)
    pool = {image.content_hash for image in images}
    found: dict[str, GivenLabel] = {}
    kept: dict[str, ImageFile] = {}
    contradicted: set[str] = set()
    for image, word in images_of_rows(_rows(labels, notes), images, labels):
        given = _given(image, word, answers, classes)
        if found.get(image.content_hash, given).label != given.label:
            contradicted.add(image.content_hash)
        found[image.content_hash] = given
        kept[image.content_hash] = image
    return LabelledExamples(
        tuple(
            replace(kept[digest], label=each.label)
            for digest, each in found.items()
            if each.answer == "class"
        ),
        {
            digest: each.label
            for digest, each in found.items()
            if digest in pool and each.answer in ("class", NONE)
        },
        len(contradicted),
    )


def images_of_rows(
    rows: Sequence[tuple[str, str, str]], images: Sequence[ImageFile], where: object
) -> list[tuple[ImageFile, str]]:
    """The image of each row (image, hash, word) with its word: of the pool, or a file that is elsewhere.

    Args:
        rows: What was read.
        images: The pool.
        where: What it was read from: a path, or a mapping.

    Raises:
        InputError: An image is not there.
    """
    found, elsewhere = _of_pool(rows, images)
    return [*found, *_files(where, elsewhere)]


def _files(labels: object, rows: Sequence[tuple[str, str, str]]) -> list[tuple[ImageFile, str]]:
    """The image files that rows of image, hash and label name, each with its label."""
    path = Path(labels) if isinstance(labels, str | Path) else None
    if path is not None and path.is_dir():
        return [(ImageFile(Path(name), digest), word) for name, digest, word in rows]
    folder = Path() if path is None else path.parent
    there = [
        (next((each for each in (folder / name, Path(name)) if is_there(each)), None), name, word)
        for name, _, word in rows
    ]
    if lost := [name for path, name, _ in there if path is None]:
        raise InputError(
            f"{len(lost):,} labelled images are not there, such as {lost[0]!r}.",
            hint="Write paths relative to the table, or whole ones.",
            field="labels",
        )
    paths = [path for path, _, _ in there if path is not None]
    known = {str(each.path): each for each in find_given(paths).images} if paths else {}
    return [(known[str(path)], word) for path, _, word in there if str(path) in known]


def _of_pool(
    rows: Sequence[tuple[str, str, str]], images: Sequence[ImageFile]
) -> tuple[list[tuple[ImageFile, str]], list[tuple[str, str, str]]]:
    """The labels of images of the pool, and the rows (image, hash, label) that are about others."""
    by_hash, by_name = {image.content_hash: image for image in images}, images_by_name(images)
    found: list[tuple[ImageFile, str]] = []
    strange: list[tuple[str, str, str]] = []
    for name, digest, word in rows:
        image = by_hash.get(digest) or named(name, by_name)
        if image is None:
            strange.append((name, digest, word))
        else:
            found.append((image, word))
    return found, strange


def _given(
    image: ImageFile,
    word: str,
    answers: Mapping[str, tuple[Answer, str | None]],
    classes: Sequence[str],
) -> GivenLabel:
    """What a word says of an image.

    Raises:
        InputError: It is no class and no other answer.
    """
    said = answers.get(one_name(word)) or answers.get(plain_name(word))
    if said is None:
        raise InputError(
            f"The label {word!r} is none of the classes.",
            hint=near_note([*classes, word])
            or f"Write a class, {NONE!r} or {UNSURE!r}, {BACK!r} to undo one; or leave it empty.",
            field="labels",
        )
    return GivenLabel(image=str(image.path), image_hash=image.content_hash, answer=said[0], label=said[1])


def label_numbers(labels: Sequence[GivenLabel], classes: Sequence[str]) -> dict[str, int]:
    """Labels as the loop takes them: content hash → class number, `NONE_OF_THESE` or `CANNOT_TELL`."""
    numbers = {name: number for number, name in enumerate(classes)}
    others = {NONE: NONE_OF_THESE, UNSURE: CANNOT_TELL}
    return {
        each.image_hash: numbers[each.label] if each.label is not None else others[each.answer]
        for each in labels
    }


def label_counts(labels: Sequence[GivenLabel]) -> dict[str, int]:
    """How many labels were used and how many images got another answer; empty without any."""
    counts = Counter(each.answer for each in labels)
    if not labels:
        return {}
    return {"labels": counts["class"], "labels_none": counts[NONE], "labels_cannot_tell": counts[UNSURE]}


def _rows(labels: Labels, notes: list[str] | None = None) -> list[tuple[str, str, str]]:
    """Image, hash or "", and label of each row that has one."""
    notes = [] if notes is None else notes
    if isinstance(labels, Mapping):
        return [(image, "", NONE if label is None else label) for image, label in labels.items()]
    path = Path(labels)
    if not is_there(path):
        raise InputError(
            f"There is no file or folder {str(path)!r} with labels.",
            hint="Give a CSV or Parquet table with the columns image and label, a folder with one folder per "
            "class, or a file of Label Studio, COCO, CVAT or FiftyOne.",
            field="labels",
        )
    if path.is_dir():
        return [
            (str(image.path), image.content_hash, image.label or "")
            for image in find_given(path, labelled=True).images
        ]
    if path.suffix.lower() in SUFFIXES:
        return _said_by_people(
            path, [(i.by == PERSON, (i.path, i.content_hash, i.label)) for i in read_tagged(path)], notes
        )
    table = read_csv(path)
    refuse_predictions(path, table)
    head = set().union(*table) if table else set[str]()
    image, label = (next((name for name in names if name in head), None) for names in (_IMAGE, _LABEL))
    if image is None or label is None:
        raise InputError(
            f"{str(path)!r} has no columns image and label.",
            hint="Fill the column label of a run's ask.csv, or write a table with these two columns.",
            field="labels",
        )
    rows = [
        (person, (row.get(image, ""), row.get("image_hash", ""), row.get(label, "") or _other(row)))
        for row, person in zip(table, said_by_people(table), strict=True)
    ]
    return _said_by_people(path, rows, notes)


def _said_by_people(
    path: Path, rows: Sequence[tuple[bool, tuple[str, str, str]]], notes: list[str]
) -> list[tuple[str, str, str]]:
    """The labels of rows that people gave, each with whether one did; what a model says is no label."""
    labelled = [row for row in rows if row[1][2].strip()]
    people = [row for person, row in labelled if person]
    if labelled and not people:
        raise nobody_said(path, len(labelled))
    notes += filter(None, [passed_note(path, len(labelled) - len(people))])
    return people


def _other(row: Mapping[str, str]) -> str:
    """An answer that is no class, from the table that a run keeps."""
    return row.get("answer", "") if row.get("answer") in (NONE, UNSURE, BACK) else ""


def answers_of(classes: Sequence[str]) -> dict[str, tuple[Answer, str | None]]:
    """What the words of a table mean; a class of that name goes before other answers."""
    answers: dict[str, tuple[Answer, str | None]] = {word: (said, None) for word, said in _WORDS.items()}
    for fold in (plain_name, one_name):
        answers |= {fold(as_cell(name)): ("class", name) for name in classes}
        answers |= {fold(name): ("class", name) for name in classes}
    return answers
