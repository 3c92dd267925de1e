"""A tree over the classes: read from a file, checked against the class names, or made of stated families."""

import graphlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.errors import InputError
from fieldmark.reading import read_text
from fieldmark.records import Family, Record
from fieldmark.records.names import near_note, one_name, plain_name
from fieldmark.tools.datasets.csv_file import read_csv

if TYPE_CHECKING:
    from torch import Tensor

ROOT = "(everything)"
TREE = "tree.json"
"""The tree of a run, in its folder."""
FORM = 'The first line is "child,parent"; then one line for each class and each branch below another one.'


class ClassTree(Record):
    """A checked tree whose leaves are the classes.

    `class_tree` makes one; what is made otherwise is not checked.
    """

    classes: tuple[str, ...]
    parents: dict[str, str]
    """Parent of each class and of each branch that lies below another one."""

    def line(self, name: str) -> tuple[str, ...]:
        """What is above a class or branch, the nearest first."""
        above: list[str] = []
        while name in self.parents:
            name = self.parents[name]
            above.append(name)
        return tuple(above)

    def branches(self) -> dict[str, tuple[int, ...]]:
        """The branches that leave some class out, each with the places of its classes.

        The fewest classes first; of branches with the same classes the lower one first.
        """
        members: dict[str, list[int]] = {}
        depth: dict[str, int] = {}
        for place, name in enumerate(self.classes):
            line = self.line(name)
            for height, branch in enumerate(line):
                members.setdefault(branch, []).append(place)
                depth[branch] = len(line) - height
        ranked = sorted(members, key=lambda branch: (len(members[branch]), -depth[branch]))
        return {name: tuple(members[name]) for name in ranked if len(members[name]) < len(self.classes)}

    def membership(self) -> "Tensor":
        """Which class is in which branch `[C, B]` float32, 1 or 0, the branches as in `branches()`."""
        import torch  # not at the top: a tree is checked without it

        branches = self.branches()
        found = torch.zeros(len(self.classes), len(branches))
        for column, places in enumerate(branches.values()):
            found[list(places), column] = 1
        return found


def read_parents(path: Path) -> dict[str, str]:
    """Child → parent from a file: CSV or TSV with the columns child and parent, or a JSON object.

    A CSV row without a parent names a root.

    Raises:
        InputError: It cannot be read, has another form, or has a child twice.
    """
    if path.suffix.lower() == ".json":
        return _from_json(path)
    table = read_csv(path, head_as=lambda name: name.strip().lower())
    if not table or not {"child", "parent"} <= table[0].keys():
        raise InputError(f"{str(path)!r} has no rows of child and parent.", hint=FORM)
    parents: dict[str, str] = {}
    for row in table:
        child, parent = one_name(row.get("child", "")), one_name(row.get("parent", ""))
        if not child:
            raise InputError(f"{str(path)!r} has a row without a child.", hint=FORM)
        if child in parents:
            raise InputError(
                f"{child!r} occurs twice as a child in {str(path)!r}.",
                hint="Each class and branch has one parent: remove the other row.",
            )
        if parent:
            parents[child] = parent
    return parents


def _from_json(path: Path) -> dict[str, str]:
    try:
        tree = json.loads(read_text(path, encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"The tree cannot be read from {str(path)!r}: {error}.") from error
    if not isinstance(tree, dict) or not all(isinstance(above, str) for above in tree.values()):
        raise InputError(
            f"{str(path)!r} is no tree.",
            hint='Write a JSON object: {"wren": "songbird", "songbird": "bird"}.',
        )
    folded = {one_name(name): one_name(above) for name, above in tree.items()}
    if len(folded) < len(tree):
        raise InputError(f"{str(path)!r} has a node in two spellings.", hint="Make one of them.")
    return folded


def class_tree(parents: Mapping[str, str], classes: Sequence[str]) -> ClassTree:
    """A tree over the classes, checked: each class is a leaf, and each leaf a class.

    Args:
        parents: Child → parent, in any order; several roots may be there.
        classes: The class names, checked.

    Raises:
        InputError: It has a circle, lacks a class, has something below a class, or a leaf that is no class.
    """
    folded = {one_name(child): one_name(parent) for child, parent in parents.items()}
    if len(folded) < len(parents):
        raise InputError("The tree has a child in two spellings.", hint="Make one of them.", field="tree")
    try:
        graphlib.TopologicalSorter({child: (parent,) for child, parent in folded.items()}).prepare()
    except graphlib.CycleError as error:
        shown = " → ".join(map(repr, reversed(error.args[1][-4:])))
        raise InputError(
            f"The tree goes in a circle: {shown}.", hint="Take one of these rows out.", field="tree"
        ) from None
    known, above = set(classes), set(folded.values())
    lacking = [name for name in classes if name not in folded and name not in above]
    if lacking:
        raise InputError(
            f"The tree lacks {_some(lacking)} of {len(classes):,} classes.",
            hint=near_note([*lacking, *folded]) or "Give each class a row with its parent.",
            field="tree",
        )
    inner = [name for name in classes if name in above]
    if inner:
        raise InputError(
            f"{_some(inner)} {'is a class' if len(inner) == 1 else 'are classes'} and has others below.",
            hint="A class must be a leaf: give the branch another name.",
            field="tree",
        )
    unknown = [name for name in folded if name not in above and name not in known]
    if unknown:
        raise InputError(
            f"The tree ends in {_some(unknown)}, which {'is' if len(unknown) == 1 else 'are'} no class.",
            hint=near_note([*unknown, *classes]) or "Take it out, or name it as a class.",
            field="tree",
        )
    return ClassTree(classes=tuple(classes), parents=rooted(folded))


def rooted(parents: dict[str, str]) -> dict[str, str]:
    """The tree with one root: nodes that nothing is above are put under one of its own."""
    tops = [above for above in dict.fromkeys(parents.values()) if above not in parents]
    return parents if len(tops) < 2 else parents | dict.fromkeys(tops, ROOT)


def tree_of_families(families: Sequence[Family], classes: Sequence[str], *, root: str) -> ClassTree:
    """The tree that stated families make: they, and the classes of no family, lie below one root.

    Families of the same name are one. A family of one class is none. A family that is called like a class or
    the root is renamed: "wren (group)".

    Args:
        families: Stated families, each class in at most one.
        classes: The class names, checked.
        root: What all classes are.

    Raises:
        InputError: No family holds some of the classes and leaves others out.
    """
    members: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for family in families:
        key = plain_name(family.name)
        names.setdefault(key, one_name(family.name))
        members.setdefault(key, []).extend(family.classes)
    grouped = {key: found for key, found in members.items() if 1 < len(found) < len(classes)}
    if not grouped:
        raise InputError(
            "No group holds some of the classes and leaves others out.", hint="Give a tree in a file."
        )
    taken = {plain_name(name) for name in classes}
    while plain_name(root) in taken | set(grouped):
        root += " (all)"
    parents = dict.fromkeys(classes, root)
    for key, found in grouped.items():
        name = names[key]
        while plain_name(name) in taken:
            name += " (group)"
        taken.add(plain_name(name))
        parents |= dict.fromkeys(found, name) | {name: root}
    return class_tree(parents, classes)


def _some(names: Sequence[str]) -> str:
    """The first name, and how many more there are."""
    return repr(names[0]) + (f" and {len(names) - 1:,} more" if len(names) > 1 else "")
