"""Loki: predictions that know how far apart labels are, among them labels that were never observed."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.class_vectors import name_vectors
from fieldmark.evals.methods.shared.support import fitting_vectors
from fieldmark.evals.metrics.tree_distances import tree_distances
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.scoring.vectors import image_steps, unit

_SHARES = 21
"""Shares of two labels that are looked at, from all of the one to all of the other."""


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


@dataclass(frozen=True)
class NextLabel:
    """A label to observe next.

    Attributes:
        label: Which of the Y.
        reach: How many labels can be predicted once it and those before it are observed.
        nearest: The observed label that it is nearest to.
        distance: How far that is.
    """

    label: int
    reach: int
    nearest: int
    distance: float


def next_labels(distances: Tensor, observed: Sequence[int], *, count: int = 1) -> tuple[NextLabel, ...]:
    """Labels to observe next, so that as many labels as can be are predicted, whatever an image shows.

    A label can be predicted if some shares p over the observed labels make it the Fréchet mean,
    `argmin_y Σ_k p_k·d(y, k)²`. Here shares over any two labels are looked at, 21 of them from one to the
    other: in a tree the means of two labels are the nodes on the path between them, and those of all pairs
    are all that can be predicted. In other spaces this is a lower bound. Each step takes the label that adds
    most; of several the one that lies farthest from all observed ones, in a tree the longest path, then the
    first. Where no label lies between others, as where all are leaves of a tree, the distance decides alone.

    Source: Roberts et al. 2023, section 4 (label subspaces, and the choice of the next class); the authors
    give the rule for trees and grids.

    Args:
        distances: Between any two labels `[Y, Y]`, not negative.
        observed: The observed labels, one at least.
        count: How many to choose; fewer come back where fewer are left.

    Raises:
        InputError: Shapes do not fit, or nothing is observed.
    """
    labels = len(distances)
    known = list(dict.fromkeys(observed))
    if distances.shape != (labels, labels) or not known or not 0 <= min(known) <= max(known) < labels:
        raise InputError(
            f"Distances {tuple(distances.shape)} do not fit the observed labels {known[:5]}.",
            hint="Give [Y, Y] and at least one observed label.",
        )
    squares = distances.to(torch.float32).square()

    def between(label: int, others: Sequence[int]) -> Tensor:
        """Labels that shares of one label and each of the others lead to `[Y]` bool."""
        share = torch.linspace(0, 1, _SHARES)[:, None]
        found = torch.zeros(labels, dtype=torch.bool)
        for other in others:
            found[(share * squares[label] + (1 - share) * squares[other]).argmin(dim=1)] = True
        return found

    reached = torch.zeros(labels, dtype=torch.bool)
    for place, label in enumerate(known):
        reached |= between(label, known[: place + 1])
    chosen: list[NextLabel] = []
    while len(chosen) < count and len(known) < labels:
        near, at = distances[:, known].min(dim=1)
        left = [label for label in range(labels) if label not in set(known)]
        more = {label: reached | between(label, [*known, label]) for label in left}
        best = max(left, key=lambda label: (int(more[label].sum()), float(near[label]), -label))
        reached = more[best]
        chosen.append(NextLabel(best, int(reached.sum()), known[int(at[best])], float(near[best])))
        known.append(best)
    return tuple(chosen)


_SOURCE = "Roberts et al. 2023"


def observed(bench: EvalBench) -> list[int]:
    """Columns of the classes that the base model knows, in order; all where the data name none."""
    own = set(bench.test.observed or bench.classes)
    return [column for column, name in enumerate(bench.classes) if name in own]


async def by_tree(bench: EvalBench) -> MethodScores:
    """By steps in the tree.

    Where all classes are leaves of one depth, none that was not observed lies nearer to everything than its
    observed sibling: such a tree makes errors smaller, and seldom names an unobserved class. The base
    classifier goes by names, since the observed classes are those that the model knows by name; descriptors
    would let it see the others as well, and nothing would be left to guess at.
    """
    columns = observed(bench)
    known = [bench.classes[column] for column in columns]
    return by_distances(bench, name_vectors(bench), tree_distances(bench.parents, bench.classes, known))


async def by_texts(bench: EvalBench) -> MethodScores:
    """By how far apart the class texts are, where there is no tree."""
    words = name_vectors(bench)
    return by_distances(bench, words, text_distances(words, words[observed(bench)]))


def by_distances(bench: EvalBench, words: Tensor, distances: Tensor) -> MethodScores:
    """The class with the least expected squared distance.

    Args:
        bench: The bench.
        words: Unit class vectors `[C, D]`.
        distances: From each class to each observed one `[C, K]`.
    """
    scores = loki_scores(
        bench.vectors, words[observed(bench)], distances=distances, logit_scale=bench.logit_scale
    )
    return MethodScores(scores=scores, notes=("scores are expected squared distances: its ECE says nothing",))


async def by_base(bench: EvalBench) -> MethodScores:
    """The base model alone: its classifier over the classes it knows; the others are out of the running."""
    columns = observed(bench)
    words = name_vectors(bench)[columns]
    scores = torch.full((len(bench.images), len(bench.classes)), -torch.inf)
    scores[:, columns] = bench.logit_scale * (bench.vectors @ words.T)
    return MethodScores(scores=scores)


METHODS = (
    EvalMethod(
        key="loki-base",
        title="Loki's base: observed classes alone",
        source=_SOURCE,
        needs=frozenset({MethodNeed.NAMES, MethodNeed.TREE}),
        run=by_base,
    ),
    EvalMethod(
        key="loki-tree",
        title="Loki, tree",
        source=_SOURCE,
        needs=frozenset({MethodNeed.NAMES, MethodNeed.TREE}),
        run=by_tree,
    ),
    EvalMethod(
        key="loki-text",
        title="Loki, class texts",
        source=_SOURCE,
        needs=frozenset({MethodNeed.NAMES}),
        run=by_texts,
    ),
)
