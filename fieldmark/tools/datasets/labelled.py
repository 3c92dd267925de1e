"""Labelled images for training and test, from folders, lists or split files; shots drawn by seed."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fieldmark.errors import ClassNamesError, InputError, NoImagesError
from fieldmark.reading import read_text
from fieldmark.records import SkippedInput
from fieldmark.records.names import near_note, one_name, plain_name
from fieldmark.records.predictions import passed_over_in_words
from fieldmark.tools.datasets.csv_file import MOST_BYTES, SUFFIXES, read_csv
from fieldmark.tools.datasets.shots import by_seed, draw_shots
from fieldmark.tools.images.files import ImageFile, find_images, image_files
from fieldmark.tools.images.given_paths import as_text, is_text, is_there, spelled_as_there
from fieldmark.tools.people import (
    NONE_OF_THESE,
    nobody_said,
    passed_note,
    refuse_predictions,
    said_by_people,
    says_who,
)

SPLITS = ("train", "val", "test")
_PATH, _LABEL, _SPLIT = ("path", "image", "file", "filepath"), ("label", "class", "class_name"), "split"
_SYNSET = re.compile(r"n\d{8}")
Rows = dict[str, list[tuple[Path, str]]]
"""Split name → image paths with their class."""


@dataclass(frozen=True)
class LabelledImages:
    """Images with their classes.

    Attributes:
        classes: Class names, in the order of the score columns.
        train: Images to choose by; each has its class as its label.
        test: Images to measure with; may be empty.
        skipped: Files that were not used, with the reason.
        notes: What a reader must know of how they were chosen.
    """

    classes: tuple[str, ...]
    train: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...]
    skipped: tuple[SkippedInput, ...] = ()
    notes: tuple[str, ...] = ()


def read_labelled(
    path: Path, *, images: Path | None = None, shots: int, seed: int, classes: Sequence[str] = ()
) -> LabelledImages:
    """Read labelled images and draw the few training images of each class.

    Args:
        path: A folder with one folder a class (or `train/` and `test/` with those inside), a CSV or JSONL
            list with a path, a label and perhaps a split, a CoOp split file (`split_zhou_*.json`), or a
            ProAPO few-shot file.
        images: Where relative paths start; the list's own folder where not given.
        shots: Training images a class, at most.
        seed: Decides which.
        classes: The class names, where more are meant than have images.

    Raises:
        InputError: It cannot be read, or has too few classes or images.
    """
    rows, notes = read_rows(path, images=images)
    found = drawn(rows, shots=shots, seed=seed, classes=classes)
    return replace(found, notes=(*found.notes, *notes))


def read_rows(path: Path, *, images: Path | None = None, named: bool = False) -> tuple[Rows, tuple[str, ...]]:
    """The images that a folder or a list names, by split, and what a reader must know of them.

    Args:
        path: What `read_labelled` reads.
        images: Where relative paths start; the list's own folder where not given.
        named: Whether it is known which published set this is.

    Raises:
        InputError: It cannot be read.
    """
    if is_there(path) and path.is_dir():
        passed: Counter[str] = Counter()
        rows = _folder(path, passed)
        empty = _without_images(path, rows)
        note = f"Folders without images, which are no classes: {few(empty)}." if empty else ""
        notes = (note, passed_over_in_words(dict(passed.most_common())), "" if named else _synset_note(rows))
        return rows, tuple(filter(None, notes))
    if is_there(path) and path.is_file():
        return _listed(path, images or path.parent)
    raise InputError(f"There is no folder or file {str(path)!r} with labelled images.")


def drawn(
    rows: Rows, *, shots: int, seed: int, classes: Sequence[str] = (), reserve: bool = True
) -> LabelledImages:
    """Draw the training images, and keep them out of the test images.

    Where no split names test images, every image that was not drawn is one. Pictures of the same content
    count once; one that stands under two classes is left out.

    Args:
        rows: Images by split.
        shots: Training images a class, at most; with 0 none is drawn.
        seed: Decides which.
        classes: The class names, where more are meant than have images.
        reserve: Whether training images that were not drawn may stand in for test images.
    """
    named = classes or list(dict.fromkeys(label for split in SPLITS for _, label in rows.get(split, ())))
    names = tuple(map(one_name, named))
    if len(names) < 2:
        raise ClassNamesError(
            f"{len(names)} class{'es' * (len(names) != 1)} with images; telling apart takes at least two.",
            hint="Give one folder a class.",
        )
    known = set(names)
    unlisted = sorted({label for split in rows.values() for _, label in split} - known)
    if unlisted:
        raise ClassNamesError(
            f"Images of classes that are not listed: {few(unlisted)}.",
            hint=near_note([*names, *unlisted]) or "Add the class names.",
        )
    wanted = [pair for split in SPLITS for pair in rows.get(split, ())]
    found = find_images(list(dict.fromkeys(path for path, _ in wanted)))
    by_path = {image.path: image for image in found.images}
    kept, skipped = _distinct({s: rows.get(s, []) for s in SPLITS}, by_path)
    train_rows = kept["train"] or kept["val"]
    places = draw_shots([row.label for row in train_rows], shots=shots, draw=by_seed(seed), classes=names)
    rank = {name: place for place, name in enumerate(names)}
    train = sorted(
        (train_rows[place] for place in places), key=lambda row: (rank[str(row.label)], str(row.path))
    )
    used = {image.content_hash for image in train}
    pool = kept["test"] or (train_rows if reserve else [])
    test = tuple(image for image in pool if image.content_hash not in used)
    if not (train if shots else test):
        kind = "training" if shots else "test"
        raise NoImagesError(f"No {kind} image is usable.", hint="Check the paths and the files.")
    skipped = [*found.skipped, *skipped]
    counts = Counter(str(image.label) for image in train)
    without = [name for name in names if shots and not counts[name]]
    fewer = [f"{name} ({counts[name]})" for name in names if 0 < counts[name] < shots]
    notes = list(filter(None, [near_note(names)]))
    if skipped:
        named = [f"{each.path} ({each.reason})" for each in skipped]
        notes.append(f"{len(skipped)} image(s) were not used; the manifest names all: {few(named, most=3)}.")
    if without:
        notes.append(
            f"{len(without)} class(es) have no training image and are searched only through the images of "
            f"others: {few(without)}."
        )
    if fewer:
        notes.append(f"{len(fewer)} class(es) have fewer than {shots} training images: {few(fewer)}.")
    if not test:
        notes.append("There are no test images: nothing says how well the book does on new ones.")
    return LabelledImages(names, tuple(train), test, tuple(skipped), tuple(notes))


def _distinct(
    rows: Rows, by_path: Mapping[Path, ImageFile]
) -> tuple[dict[str, list[ImageFile]], list[SkippedInput]]:
    labels: dict[str, set[str]] = {}
    for path, label in (pair for split in rows.values() for pair in split):
        if path in by_path:
            labels.setdefault(by_path[path].content_hash, set()).add(label)
    seen: set[str] = set()
    kept: dict[str, list[ImageFile]] = {}
    skipped: list[SkippedInput] = []
    for split, pairs in rows.items():
        kept[split] = []
        for path, label in pairs:
            image = by_path.get(path)
            if image is None:
                continue
            if len(labels[image.content_hash]) > 1:
                skipped.append(
                    SkippedInput(path=str(path), reason="the same picture stands under two classes")
                )
            elif image.content_hash in seen:
                skipped.append(SkippedInput(path=str(path), reason="the same picture is there already"))
            else:
                seen.add(image.content_hash)
                kept[split].append(replace(image, label=label))
    return kept, skipped


def few(names: Sequence[str], *, most: int = 5) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _without_images(path: Path, rows: Rows) -> tuple[str, ...]:
    """The class folders, of any split, that hold no image file."""
    roots = [path] if set(rows) == {"train"} and not (path / "train").is_dir() else [path / s for s in rows]
    there = {one_name(each.name) for root in roots for each in root.iterdir() if each.is_dir()}
    full = {label for pairs in rows.values() for _, label in pairs}
    return tuple(sorted(name for name in there - full if not _is_no_class(name)))


def _is_no_class(name: str) -> bool:
    """Whether a folder is one that programs leave behind: ".git", and what macOS puts into archives."""
    return name.startswith(".") or name == "__MACOSX"


def _folder(path: Path, passed: Counter[str]) -> Rows:
    inside = {each.name for each in path.iterdir() if each.is_dir() and not _is_no_class(each.name)}
    if inside and inside <= set(SPLITS):
        return {split: class_folders(path / split, passed=passed) for split in SPLITS if split in inside}
    return {"train": class_folders(path, passed=passed)}


def _synset_note(rows: Rows) -> str:
    """Where the data are ImageNet's folders, which are named by number: how to get names."""
    labels = {label for pairs in rows.values() for _, label in pairs}
    synsets = sorted(label for label in labels if _SYNSET.fullmatch(label))
    if not synsets or len(synsets) < len(labels):
        return ""
    return (
        f"The class folders are named by WordNet's numbers, such as {synsets[0]}, which no model knows: say "
        "that the domain is imagenet, imagenet-a or imagenet-r, and the classes get their names (part, where "
        "some are missing)."
    )


def class_folders(
    path: Path, classes: Sequence[str] = (), *, passed: Counter[str] | None = None
) -> list[tuple[Path, str]]:
    """The image files in a folder's folders, each with its folder's name; none is opened.

    Args:
        path: The folder.
        classes: Look only into folders of these names.
        passed: Counts the files that are passed over, by suffix.

    Raises:
        NoImagesError: There is none, or no such folder.
    """
    wanted = set(map(one_name, classes))
    found: Counter[str] = Counter() if passed is None else passed
    pairs: list[tuple[Path, str]] = []
    inside = sorted(path.iterdir()) if path.is_dir() else []
    for folder in (each for each in inside if each.is_dir() and not _is_no_class(each.name)):
        if not is_text(folder.name):
            raise InputError(
                f"The class folder {as_text(folder)!r} has a name that is no well-formed text.",
                hint="Rename it in UTF-8: it is the name of a class.",
            )
        name = one_name(folder.name)
        if wanted and name not in wanted:
            continue
        files, others = image_files(folder)
        pairs += [(file, name) for file in files]
        found.update(others)
    if not pairs:
        said = passed_over_in_words(found)
        raise NoImagesError(
            f"No image in the class folders of {path}." + (f" {said}" if said else ""),
            hint="Give one folder a class.",
        )
    return pairs


def _listed(path: Path, root: Path) -> tuple[Rows, tuple[str, ...]]:
    try:
        if path.suffix.lower() in SUFFIXES:
            return _people_said(path, read_csv(path, head_as=_head), root)
        text = read_text(path, most=MOST_BYTES, encoding="utf-8-sig")
        if path.suffix == ".json":
            return split_rows(json.loads(text), root), ()
        return _people_said(path, [json.loads(line) for line in text.split("\n") if line.strip()], root)
    except (OSError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InputError(
            f"{str(path)!r} cannot be read as a list of labelled images: {error}.",
            hint="A CSV or JSONL list needs the columns path and label; a JSON file must be a split file.",
        ) from error


def _people_said(path: Path, table: Sequence[Mapping[str, str]], root: Path) -> tuple[Rows, tuple[str, ...]]:
    """The rows of a table; where it says who gave a label, those of a class that a person gave.

    Raises:
        InputError: A model gave all of them, or it is a run's own predictions.
    """
    if not all(isinstance(row, Mapping) for row in table):  # a line of JSON may be anything
        raise TypeError("a line is no object")
    refuse_predictions(path, table)
    told = says_who(table)
    if told:  # a person who could not tell left no label
        table = [row for row in table if any(str(row.get(name) or "").strip() for name in _LABEL)]
    people = [row for row, person in zip(table, said_by_people(table), strict=True) if person]
    if table and not people:
        raise nobody_said(path, len(table))
    shown = [row for row in people if plain_name(_cell(row, _LABEL)) != NONE_OF_THESE]
    none = f"{len(people) - len(shown):,} image(s) show {NONE_OF_THESE}, and were passed over."
    notes = (passed_note(path, len(table) - len(people)), none if len(shown) < len(people) else "")
    rows = _table(shown, root, here=told)
    files = [file for pairs in rows.values() for file, _ in pairs]
    if told and files and not any(map(is_there, files)):
        raise InputError(
            f"None of the images in {str(path)!r} is there; the first is {str(files[0])!r}.",
            hint="A run names images by paths from where it was made: give that folder.",
            field="images",
        )
    return rows, tuple(filter(None, notes))


def split_rows(data: object, root: Path) -> Rows:
    """Images by split, of CoOp's `{"train": [[path, label, class]]}` or ProAPO's `{"train": {path: class}}`.

    Raises:
        ValueError: There is no split "train".
        LookupError: A row is too short.
        TypeError: A row is none.
    """
    if not isinstance(data, dict) or "train" not in data:
        raise ValueError("no split 'train' in it")
    rows: Rows = {}
    for split in SPLITS:
        listed = data.get(split)
        if isinstance(listed, dict):
            # A path with " ***" behind it repeats an image to fill up a class.
            pairs = [(str(file).rstrip(" *"), one_name(str(label))) for file, label in listed.items()]
            rows[split] = [(spelled_as_there(root / file), label) for file, label in dict.fromkeys(pairs)]
        elif isinstance(listed, list):
            rows[split] = [(spelled_as_there(root / str(row[0])), one_name(str(row[2]))) for row in listed]
    return rows


def _table(table: Sequence[Mapping[str, str]], root: Path, *, here: bool = False) -> Rows:
    """Rows by split; `here`: a path that leads nowhere from the root is looked for from here."""
    rows: Rows = {}
    for row in table:
        file = _cell(row, _PATH)
        label = one_name(_cell(row, _LABEL))
        split = str(row.get(_SPLIT) or "train").strip()
        if split not in SPLITS:
            raise ValueError(f"the split {split!r} is none of {', '.join(SPLITS)}")
        start = Path() if here and not is_there(root / file) and is_there(Path(file)) else root
        rows.setdefault(split, []).append((spelled_as_there(start / file), label))
    return rows


def _head(name: str) -> str:
    """A column's name as it is looked for: people write "Path" and "Class name", too."""
    return one_name(name).casefold().replace(" ", "_")


def _cell(row: Mapping[str, str], names: Sequence[str]) -> str:
    for name in names:
        if str(row.get(name) or "").strip() or row.get(name) == 0:  # the class may well be the number 0
            return str(row[name])
    raise ValueError(f"a row has no {names[0]}")
