"""CoOp's few-shot protocol: its split files, and the images that it draws for a seed.

Source: Zhou et al. 2022, "Learning to Prompt for Vision-Language Models", and the code beside it:
`random.seed(SEED)`, then `random.sample` class by class, training first.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from fieldmark.records.names import one_name
from fieldmark.tools.books.files import check_text, clipped, kind_of, read_json, refuse
from fieldmark.tools.datasets.labelled import SPLITS, Rows
from fieldmark.tools.datasets.listing import Listing, inside
from fieldmark.tools.datasets.shots import as_coop, draw_shots

VALIDATION_SHOTS = 4
"""CoOp draws as many validation images a class as there are training images, and four at most."""


def is_split(value: Any) -> bool:
    """Whether a JSON value is such a split: lists of `[path, label, class]`."""
    return isinstance(value, dict) and bool(value) and isinstance(value.get("train"), list)


def read_split_file(path: Path, images: Path) -> Listing:
    """Read a split file.

    Args:
        path: The file, `{"train": [[path, label, class]], "val": …, "test": …}`.
        images: Where its paths start.

    Returns:
        The images; the classes stand in the order of the labels.

    Raises:
        InputError: It cannot be read, has another shape, names an image outside of the folder, or has one
            label for two classes or two for one.
    """
    return split_listing(read_json(path, what="The split file"), path, images)


def split_listing(value: Any, path: Path, images: Path) -> Listing:
    """The images that a split's JSON value lists; see `read_split_file`."""
    if not is_split(value):
        refuse(path, f"holds {kind_of(value)}, not a split with a list 'train'")
    rows: Rows = {}
    names: dict[int, str] = {}
    for split in SPLITS:
        pairs = rows.setdefault(split, [])
        listed = value.get(split, [])
        if not isinstance(listed, list):
            refuse(path, f"has {kind_of(listed)} as {split!r}, not a list")
        for place, row in enumerate(listed):
            where = f"row {place} of {split!r}"
            if not (
                isinstance(row, list)
                and len(row) == 3
                and isinstance(row[0], str)
                and type(row[1]) is int
                and isinstance(row[2], str)
            ):
                refuse(path, f"has as {where} {clipped(repr(row))}, not [path, label, class]")
            name, label, title = row[0], row[1], one_name(row[2])
            check_text(title, path, where, blank=False)
            if names.setdefault(label, title) != title:
                refuse(
                    path,
                    f"has label {label} for {clipped(names[label])!r} and, in {where}, {clipped(title)!r}",
                )
            pairs.append((inside(images, name, source=repr(str(path))), title))
    _check_labels(path, names)
    classes = tuple(names[label] for label in sorted(names))
    return Listing(rows=rows, classes=classes, source=repr(str(path)), ordered=True, own_names=True)


def few_shots(rows: Rows, classes: Sequence[str], *, shots: int, seed: int) -> Rows:
    """The training and validation images that CoOp draws.

    Classes come in the order in which the split first lists them. Where a class has fewer images than asked
    for, CoOp draws with replacement; an image that is drawn again is left out here.

    Args:
        rows: All images of the set.
        classes: Its classes; rows of others are ignored.
        shots: Training images a class.
        seed: CoOp's seed.

    Returns:
        The chosen rows of "train" and "val", in CoOp's order.
    """
    draw, known = as_coop(Random(seed)), set(classes)
    chosen: Rows = {}
    for split, number in (("train", shots), ("val", min(shots, VALIDATION_SHOTS))):
        pairs = rows.get(split, [])
        named = [name for name in dict.fromkeys(label for _, label in pairs) if name in known]
        places = draw_shots([label for _, label in pairs], shots=number, draw=draw, classes=named)
        chosen[split] = list(dict.fromkeys(pairs[place] for place in places))
    return chosen


def _check_labels(path: Path, names: dict[int, str]) -> None:
    if sorted(names) != list(range(len(names))):
        odd = next(label for place, label in enumerate(sorted(names)) if place != label)
        refuse(path, f"has the label {odd}; labels must be 0, 1, 2 and so on without a gap")
    seen: dict[str, int] = {}
    for label, title in names.items():
        if title in seen:
            refuse(path, f"has the class {clipped(title)!r} as label {seen[title]} and as label {label}")
        seen[title] = label
