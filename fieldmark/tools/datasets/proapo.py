"""Reads a whole dataset folder of the ProAPO repository: classes, few-shot images, descriptions, synonyms.

Source: Qu et al. 2025, `data/dataset/*`.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fieldmark.errors import ClassNamesError, InputError, NoImagesError
from fieldmark.records.names import one_name
from fieldmark.tools.books.descriptions import GivenTexts, listed, read_descriptions, read_synonyms
from fieldmark.tools.books.files import check_text, clipped, kind_of, read_json, refuse
from fieldmark.tools.books.formats import BookFormat, detect_format
from fieldmark.tools.datasets.labelled import LabelledImages, Rows, class_folders, drawn, split_rows

CLASSES = "label_to_category_name.json"
DESCRIPTIONS, SYNONYMS, FEW_SHOT, SPLIT = (
    "category_description",
    "category_synonym",
    "fewshot_dataset",
    "split.json",
)
_FEW_SHOT_FILE = re.compile(r"seed_(\d+)_num_shots_(\d+)\.json")


def is_proapo_folder(path: Path) -> bool:
    """Whether a path is such a folder."""
    return (path / CLASSES).is_file()


def read_proapo_folder(
    path: Path, *, images: Path | None, shots: int, seed: int
) -> tuple[LabelledImages, GivenTexts]:
    """Read a dataset folder.

    Training images are those of the few-shot file's `train`. Test images are those of `split.json`'s `test`;
    without that file all others of an image root with one folder a class, else none.

    Args:
        path: The folder.
        images: Where the paths of its images start.
        shots: Training images a class.
        seed: The seed of the few-shot file.

    Raises:
        InputError: A file is missing or cannot be read, no few-shot file fits, or files disagree about the
            classes.
    """
    if images is None:
        raise InputError(
            f"{str(path)!r} lists images but holds none.", hint="Say in which folder the images are."
        )
    classes = read_class_list(path / CLASSES)
    given = GivenTexts()
    for file in _files(path / DESCRIPTIONS):
        given += read_descriptions(file, classes, format=_description_format(file), only_these=True)
    for file in _files(path / SYNONYMS):
        given += read_synonyms(file, classes)
    few = _rows(few_shot_file(path / FEW_SHOT, shots=shots, seed=seed), images, classes)
    test, note = _test_rows(path / SPLIT, images, classes, few)
    found = drawn(
        {"train": few.get("train", []), "test": test}, shots=shots, seed=seed, classes=classes, reserve=False
    )
    return replace(found, notes=(*found.notes, note)), given


def read_class_list(path: Path) -> tuple[str, ...]:
    """The class names of a `{"0": name, "1": name}` file, in the order of the labels.

    Raises:
        InputError: It has another shape, labels that are not 0, 1, 2 and so on, or a name twice.
    """
    value: Any = read_json(path, what="The class list")
    if not isinstance(value, dict):
        refuse(path, f"holds {kind_of(value)}, not an object of labels and class names")
    wanted = [str(number) for number in range(len(value))]
    if sorted(value) != sorted(wanted):
        odd = next(iter(sorted(set(value) - set(wanted))))
        refuse(path, f"has the label {clipped(odd)!r}; the labels must be 0, 1, 2 and so on")
    names: list[str] = []
    for label in wanted:
        name = value[label]
        if not isinstance(name, str):
            refuse(path, f"has {kind_of(name)} for label {label}, not a class name")
        check_text(name, path, f"label {label}", blank=False)
        names.append(one_name(name))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        refuse(path, f"has the class {clipped(twice)!r} twice")
    if len(names) < 2:
        raise ClassNamesError(f"{str(path)!r} has {len(names)} class(es); telling apart takes at least two.")
    return tuple(names)


def few_shot_file(folder: Path, *, shots: int, seed: int) -> Path:
    """The few-shot file for so many shots and this seed.

    Raises:
        InputError: There is none; the message lists those there are.
    """
    there: dict[int, list[int]] = {}
    for file in _files(folder):
        if match := _FEW_SHOT_FILE.fullmatch(file.name):
            there.setdefault(int(match[1]), []).append(int(match[2]))
            if (int(match[1]), int(match[2])) == (seed, shots):
                return file
    said = "; ".join(
        f"seed {number} with shots {', '.join(map(str, sorted(counts)))}"
        for number, counts in sorted(there.items())
    )
    raise InputError(
        f"{str(folder)!r} has no few-shot file for seed {seed} and {shots} shot{'s' * (shots != 1)}.",
        hint=f"It has {said}." if said else "It has none at all, named seed_S_num_shots_N.json.",
    )


def _files(folder: Path) -> list[Path]:
    """The JSON files of a folder by name; none where there is no folder."""
    return sorted(each for each in folder.glob("*.json") if not each.name.startswith("."))


def _description_format(path: Path) -> BookFormat:
    """DCLIP's descriptors are recognised by form or name; texts of all other files are used unchanged."""
    try:
        found = detect_format(read_json(path), path)
    except InputError:
        found = "cupl"
    return "dclip" if found == "dclip" or "dclip" in path.name.lower() else "cupl"


def _rows(path: Path, root: Path, classes: Sequence[str]) -> Rows:
    try:
        rows = split_rows(read_json(path), root)
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"{str(path)!r} is no list of images: {error}.") from error
    unlisted = sorted({label for pairs in rows.values() for _, label in pairs} - set(classes))
    if unlisted:
        raise InputError(
            f"{str(path)!r} has images of classes that {CLASSES} does not list: {listed(unlisted)}.",
            hint="The same classes must have the same names everywhere.",
        )
    return rows


def _test_rows(
    split: Path, root: Path, classes: Sequence[str], few: Rows
) -> tuple[list[tuple[Path, str]], str]:
    """The test images, and a note that says which they are."""
    if split.is_file() and (test := _rows(split, root, classes).get("test", [])):
        return test, f"Test images are those of {SPLIT}."
    listed_ones = {path for pairs in few.values() for path, _ in pairs}
    try:
        inside = class_folders(root, classes)
    except NoImagesError:
        inside = []
    rest = [(path, label) for path, label in inside if path not in listed_ones]
    if rest:
        return rest, (
            f"The folder has no list of test images: those under {root.name} that the few-shot file does not "
            "list were taken, which is not the published test split."
        )
    return [], "The folder has no list of test images, and the image root has no folders of the classes."
