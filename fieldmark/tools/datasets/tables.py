"""Reads data sets whose list is a CSV file with columns for path, class, split and perhaps group."""

from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from fieldmark.tools.books.files import clipped, refuse
from fieldmark.tools.datasets.csv_file import read_csv
from fieldmark.tools.datasets.labelled import Rows
from fieldmark.tools.datasets.layouts import CsvLayout
from fieldmark.tools.datasets.listing import Listing, inside


def read_table(layout: CsvLayout, root: Path) -> Listing:
    """Images from a CSV file.

    Returns:
        The images. A group is the class and the value of the group's column, as in worst-group accuracy.

    Raises:
        InputError: A file is missing, lacks a column, or has a value that means nothing.
    """
    folder = root / layout.folder
    path = folder / layout.file
    names = _class_names(layout, folder)
    wanted = [layout.path, layout.label, *([layout.group] if layout.group else [])]
    table = read_csv(path, wanted if layout.parts_file else [*wanted, layout.part])
    parts = _parts(layout, folder)
    rows: Rows = {}
    groups: dict[Path, str] = {}
    for number, row in enumerate(table, start=2):
        name = row[layout.path]
        if parts is None:
            part = row[layout.part]
        elif name in parts:
            part = parts[name]
        else:
            refuse(folder / str(layout.parts_file), f"has no row for {clipped(name)!r}")
        split = layout.parts.get(part)
        if split is None:
            continue
        label = names.get(row[layout.label])
        if label is None:
            _unknown(path, number, layout.label, row[layout.label])
        image = inside(folder / layout.images, name, source=repr(str(path)))
        rows.setdefault(split, []).append((image, label))
        if layout.group:
            group = layout.groups.get(row[layout.group])
            if group is None:
                _unknown(path, number, layout.group, row[layout.group])
            groups[image] = f"{label}, {group}"
    return Listing(
        rows=rows,
        classes=tuple(names.values()),
        source=repr(str(path)),
        ordered=True,
        groups=groups,
    )


def _class_names(layout: CsvLayout, folder: Path) -> Mapping[str, str]:
    """What the column of the class may hold, with the class that it means."""
    if isinstance(layout.labels, dict):
        return layout.labels
    path = folder / layout.labels
    # Species that no image has stand there, too, with a number far beyond the others.
    numbered = {row["y"]: row["name"] for row in read_csv(path, ["y", "name"])}
    names: dict[str, str] = {}
    while (number := str(len(names))) in numbered:
        names[number] = numbered[number]
    if not names:
        refuse(path, "has no class 0")
    if len(set(names.values())) < len(names):
        refuse(path, "has a class name twice")
    return names


def _parts(layout: CsvLayout, folder: Path) -> Mapping[str, str] | None:
    if layout.parts_file is None:
        return None
    table = read_csv(folder / layout.parts_file, [layout.path, layout.part])
    return {row[layout.path]: row[layout.part] for row in table}


def _unknown(path: Path, line: int, column: str, value: str) -> NoReturn:
    refuse(path, f"has in line {line} the {column} {clipped(value)!r}, which is not known")
