"""Path lengths between labels in a tree."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fieldmark.errors import InputError


def tree_distances(
    parents: Mapping[str, str | None], labels: Sequence[str], observed: Sequence[str]
) -> Tensor:
    """Path lengths in a tree, every edge of length 1.

    Args:
        parents: Parent of each node. A root has the parent None, or is named only as a parent.
        labels: Y nodes that may be predicted; leaves or not.
        observed: K nodes that were observed.

    Returns:
        Edges between each label and each observed label [Y, K], float32.

    Raises:
        InputError: If a label is not in the tree, a node is its own ancestor, or two labels share no root.
    """
    label_lines, observed_lines = _lines(parents, labels), _lines(parents, observed)
    height = max((len(line) for line in (*label_lines, *observed_lines)), default=0)
    numbers: dict[str, int] = {}
    rows = _table(label_lines, numbers, height, missing=-1)
    columns = _table(observed_lines, numbers, height, missing=-2)
    shared = torch.zeros(len(labels), len(observed), dtype=torch.int64)
    for level in range(height):  # nodes shared from the root down; a node has one level, so none counts twice
        shared += rows[:, level, None] == columns[None, :, level]
    if shared.numel() and int(shared.min()) == 0:
        row, column = (shared == 0).nonzero()[0].tolist()
        raise InputError(
            f"{labels[row]!r} and {observed[column]!r} have no common root.", hint="Join the trees under one."
        )
    depth_rows = torch.tensor([len(line) for line in label_lines], dtype=torch.int64)
    depth_columns = torch.tensor([len(line) for line in observed_lines], dtype=torch.int64)
    return (depth_rows[:, None] + depth_columns[None, :] - 2 * shared).to(torch.float32)


def _lines(parents: Mapping[str, str | None], names: Sequence[str]) -> list[list[str]]:
    """Each node's line of descent, root first."""
    known = set(parents) | {parent for parent in parents.values() if parent is not None}
    lines = []
    for name in names:
        if name not in known:
            raise InputError(f"{name!r} is not in the tree.", hint="Give its parent, or None for a root.")
        line: dict[str, None] = {}
        node: str | None = name
        while node is not None:
            if node in line:
                raise InputError(f"{node!r} is its own ancestor.", hint="Break the circle in the tree.")
            line[node] = None
            node = parents.get(node)
        lines.append(list(reversed(line)))
    return lines


def _table(lines: Sequence[Sequence[str]], numbers: dict[str, int], height: int, *, missing: int) -> Tensor:
    """Number of the node on each level [rows, height], `missing` below the label itself."""
    numbered = [[numbers.setdefault(node, len(numbers)) for node in line] for line in lines]
    filled = [row + [missing] * (height - len(row)) for row in numbered]
    return torch.tensor(filled, dtype=torch.int64).reshape(len(lines), height)
