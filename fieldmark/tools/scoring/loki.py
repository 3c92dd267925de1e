"""Loki: predictions that know how far apart labels are, among them labels that were never observed."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.scoring.fitting import fitting_vectors
from fieldmark.tools.scoring.vectors import image_steps, unit


def loki_scores(
    image_vectors: Tensor, observed_vectors: Tensor, *, distances: Tensor, logit_scale: float
) -> Tensor:
    """The Fréchet mean rule: a label scores by how near it lies to all that the image may be.

        p = softmax(s·f·Oᵀ) over the K observed labels,   score(y) = −Σₖ pₖ·d(y, k)²

    for every label y of the distance table, observed or not. Distances are squared **here**: give path
    lengths or norms, not their squares. With d = 1 between any two labels it is the usual argmax of p.

    Source: Roberts et al. 2023, section 3 (prediction rule), and released code, which agree.

    Args:
        image_vectors: Unit image vectors [N, D].
        observed_vectors: Unit class vectors of the observed labels [K, D].
        distances: d of each of Y labels to each observed label [Y, K], not negative; `tree_distances` or
            `text_distances`.
        logit_scale: The encoder's factor s on cosines.

    Returns:
        Scores [N, Y], float32, none above 0.

    Raises:
        InputError: If shapes do not fit, or a distance is negative or not a number.
    """
    images, weights = fitting_vectors(image_vectors, observed_vectors)
    if distances.ndim != 2 or distances.shape[1] != len(weights):
        raise InputError(
            f"Distances {tuple(distances.shape)} do not fit {len(weights)} observed labels.",
            hint="Give one row per label and one column per observed label.",
        )
    if not bool((distances >= 0).all()):
        raise InputError("A distance is negative or not a number.", hint="Distances are 0 or more.")
    squares = distances.to(torch.float32).square()
    scores = images.new_empty(len(images), len(squares))
    for step in image_steps(len(images), 2 * len(weights) + len(squares)):
        shares = (logit_scale * (images[step] @ weights.T)).softmax(dim=1)
        scores[step] = -(shares @ squares.T)
    return scores


def text_distances(label_vectors: Tensor, observed_vectors: Tensor) -> Tensor:
    """Euclidean distances between unit label vectors: d² = ‖tᵢ − tⱼ‖² = 2 − 2·cos.

    Source: Roberts et al. 2023, experiments with distances from the class embeddings; released code.

    Args:
        label_vectors: Class vectors of the labels that may be predicted [Y, D].
        observed_vectors: Class vectors of the observed labels [K, D].

    Returns:
        Distances [Y, K], float32.

    Raises:
        InputError: If shapes do not fit.
    """
    labels, observed = fitting_vectors(label_vectors, observed_vectors)
    # float64, so that equal vectors come out at a distance of 0 and not of 3e-4
    cosines = unit(labels).to(torch.float64) @ unit(observed).to(torch.float64).T
    return (2 - 2 * cosines).clamp(min=0).sqrt().to(torch.float32)


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
