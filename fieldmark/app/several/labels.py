"""Reads labelled images of which each may show several classes, or none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldmark.app.inputs import find_given
from fieldmark.app.labels import NONE, answers_of, images_of_rows
from fieldmark.errors import InputError, close_to
from fieldmark.records.names import near_note, one_name, plain_name
from fieldmark.tools.datasets.csv_file import read_csv
from fieldmark.tools.images.given_paths import is_there
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.interchange.files import SUFFIXES, read_tagged
from fieldmark.tools.interchange.published import read_published
from fieldmark.tools.people import (
    PERSON,
    nobody_said,
    passed_note,
    refuse_predictions,
    said_by_people,
    says_who,
)
from fieldmark.tools.runs.csv_table import BETWEEN, parted

GivenSets = Path | str | Mapping[str, Sequence[str]]
"""A CSV or Parquet table, a file of COCO, Label Studio, CVAT or FiftyOne, a folder with one folder a class or
with Pascal VOC's XML files, the labels of Open Images, or image → classes."""
_IMAGE, _LABELS = ("image", "path", "file", "filename", "image_path"), ("labels", "label", "class", "tags")
_HASH = "image_hash"
_SAID = ("confidence", "value", "present")
_HOLDS = {"1": True, "1.0": True, "true": True, "yes": True, "0": False, "0.0": False, "-1": False,
          "false": False, "no": False}  # fmt: skip


@dataclass(frozen=True)
class LabelledSets:
    """Labelled images, and which classes each shows.

    Attributes:
        images: The n images.
        truth: Whether each class holds `[n, C]`.
        known: Whether somebody said so, or that it does not `[n, C]`.
    """

    images: tuple[ImageFile, ...]
    truth: NDArray[np.bool_]
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class _Row:
    """What one row says of an image.

    Attributes:
        image: Where it is.
        digest: Hash of its content; empty where that is not known.
        said: Whether classes hold.
        whole: That classes it does not name do not hold.
        none: That it says in words that none of them holds.
    """

    image: str
    digest: str
    said: Mapping[str, bool]
    whole: bool
    none: bool = False


def read_label_sets(
    labels: GivenSets,
    images: Sequence[ImageFile],
    classes: Sequence[str],
    *,
    notes: list[str] | None = None,
) -> LabelledSets:
    """Labelled images, of the pool or anywhere else.

    A table has a column `image` and one of these forms. `labels`: classes in one cell (`joined`), or
    "none"; rows without are passed over, and an image may have several. The same with a column `confidence`
    of 0 and 1: each row is about one class, and of classes without a row nothing is known. Or a column a
    class, with 1, 0 or nothing. `notes` gets one on labels that were passed over because a model gave them.

    Raises:
        InputError: It cannot be read, names a class that is none, or an image that is not there.
    """
    rows = _rows(labels, classes, notes)
    place = {name: at for at, name in enumerate(classes)}
    number: dict[str, int] = {}
    kept: list[ImageFile] = []
    yes, no = (np.zeros((len(rows), len(classes)), dtype=np.bool_) for _ in range(2))
    whole, none = (np.zeros(len(rows), dtype=np.bool_) for _ in range(2))
    named = [(row.image, row.digest, str(at)) for at, row in enumerate(rows)]
    for image, at in images_of_rows(named, images, _where(labels)):
        own = number.setdefault(image.content_hash, len(kept))
        if own == len(kept):
            kept.append(image)
        row = rows[int(at)]
        whole[own] |= row.whole
        none[own] |= row.none
        for name, holds in row.said.items():
            (yes if holds else no)[own, place[name]] = True
    torn = (none & yes.any(1)) | (yes & no).any(1)
    if torn.any():
        raise InputError(
            f"The labels of {kept[int(torn.argmax())].path} contradict each other.",
            hint="Keep the right ones.",
            field="labels",
        )
    if not kept:
        raise InputError("No image is labelled.", hint="Label some.", field="labels")
    known = yes | no | whole[:, None]
    return LabelledSets(tuple(kept), yes[: len(kept)], known[: len(kept)])


def _where(labels: GivenSets) -> object:
    """What images that are no part of the pool lie beside: the first XML file of a folder that has some."""
    files = [] if isinstance(labels, Mapping) else sorted(Path(labels).glob("*.xml"))
    return files[0] if files else labels


def _rows(labels: GivenSets, classes: Sequence[str], notes: list[str] | None = None) -> list[_Row]:
    notes = [] if notes is None else notes
    if isinstance(labels, Mapping):
        return [_Row(image, "", _named(own, classes), whole=True) for image, own in labels.items()]
    path = Path(labels)
    if not is_there(path):
        raise InputError(
            f"There is no file or folder {str(path)!r} with labels.",
            hint=f"Give a table with the columns image and labels, these joined by {BETWEEN!r}, or a file "
            "of COCO, Label Studio, CVAT or FiftyOne.",
            field="labels",
        )
    if (published := read_published(path)) is not None:
        own = {plain_name(name): name for name in classes}
        return [
            _Row(
                each.path,
                "",
                {own[plain_name(name)]: said for name, said in each.said.items() if plain_name(name) in own},
                each.whole,
            )
            for each in published
        ]
    if path.is_dir():
        found = find_given(path, labelled=True).images
        return [
            _Row(str(i.path), i.content_hash, _named([i.label or ""], classes), whole=True) for i in found
        ]
    if path.suffix.lower() in SUFFIXES:
        # An image without any label is one that nobody said anything of.
        tagged = [each for each in read_tagged(path) if each.labels or each.label]
        people = [each for each in tagged if each.by == PERSON]
        _tell_passed(path, len(tagged), len(people), notes)
        own = set(classes)
        return [
            # Categories that are no classes here, such as most of COCO's, say nothing about those that are.
            _Row(
                each.path,
                each.content_hash,
                {n: True for n in each.labels if n in own},
                whole=True,
                none=NONE in (each.label, *each.labels) and NONE not in own,
            )
            for each in people
        ]
    return _of_table(path, classes, notes)


def _tell_passed(path: Path, labelled: int, people: int, notes: list[str]) -> None:
    """Note how many labels are a model's.

    Raises:
        InputError: All are.
    """
    if labelled and not people:
        raise nobody_said(path, labelled)
    notes += filter(None, [passed_note(path, labelled - people)])


def _of_table(path: Path, classes: Sequence[str], notes: list[str]) -> list[_Row]:
    every = read_csv(path)
    refuse_predictions(path, every)
    read = [row for row, person in zip(every, said_by_people(every), strict=True) if person]
    _tell_passed(path, len(every), len(read), notes)
    names = list(dict.fromkeys(name for row in read for name in row))  # a short row lacks its last cells
    table = [{name: row.get(name, "") for name in names} for row in read]
    head = {name.casefold(): name for name in names}
    image, label, said = (
        next((head[name] for name in names if name in head), None) for names in (_IMAGE, _LABELS, _SAID)
    )
    if says_who(every):  # a table of `fieldmark convert`: the confidence is how sure a run was
        said = None
    own_words = {plain_name(name): name for name in classes}
    columns = {own_words[plain]: name for name in names if (plain := plain_name(name)) in own_words}
    for name in names if label is None else ():  # any other column may stand there, but for a mistyped class
        meant = close_to(name, [each for each in classes if each not in columns])
        if meant and name not in (image, *columns.values()):
            raise InputError(
                f"The column {name!r} is none of the classes.", hint=f"{meant}Name it so.", field="labels"
            )
    if image is None or (label is None and not columns):
        raise InputError(
            f"{str(path)!r} has no columns image and labels, and none for a class.",
            hint=f"Write a table with these two columns, classes joined by {BETWEEN!r}.",
            field="labels",
        )
    rows: list[_Row] = []
    for row in table:
        digest = row.get(_HASH, "")
        if not row[image].strip() or (label is not None and not row[label].strip()):
            continue
        if label is None:
            cells = {name: row.get(column, "").strip().casefold() for name, column in columns.items()}
            own = {name: _held(cell) for name, cell in cells.items() if cell}
            rows.append(_Row(row[image], digest, own, whole=False))
        elif said is None:
            own = _named(_split(row[label], classes), classes)
            rows.append(_Row(row[image], digest, own, whole=True, none=not own))
        else:
            holds = _held(row[said].strip().casefold())
            own = dict.fromkeys(_named(_split(row[label], classes), classes), holds)
            none = holds and not own
            rows.append(_Row(row[image], digest, own, whole=none, none=none))
    return rows


def _split(cell: str, classes: Sequence[str]) -> list[str]:
    """The classes that a cell names; a class whose own name has the sign in it stays whole."""
    return [cell] if one_name(cell) in set(classes) else parted(cell)


def _held(cell: str) -> bool:
    if cell not in _HOLDS:
        raise InputError(f"Whether a class holds is 1 or 0, not {cell!r}.", field="labels")
    return _HOLDS[cell]


def _named(words: Iterable[str], classes: Sequence[str]) -> dict[str, bool]:
    """The classes that words name, all of which hold; "none of these" and blanks name none."""
    answers = answers_of(classes)
    found: dict[str, bool] = {}
    for word in words:
        if not word.strip():
            continue
        said = answers.get(one_name(word)) or answers.get(plain_name(word))
        if said is None or said[0] not in ("class", NONE):
            raise InputError(
                f"The label {word!r} is none of the classes.",
                hint=near_note([*classes, word]) or f"Write classes, joined by {BETWEEN!r}, or {NONE!r}.",
                field="labels",
            )
        if said[1] is not None:
            found[said[1]] = True
    return found
