"""Loki: labels by how near they lie to all that an image may be, observed or not; and what it must beat."""

import torch
from torch import Tensor

from fieldmark.evals.methods.class_vectors import name_vectors
from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need
from fieldmark.tools.scoring.loki import loki_scores, text_distances, tree_distances

_SOURCE = "Roberts et al. 2023"


def observed(bench: Bench) -> list[int]:
    """Columns of the classes that the base model knows, in order; all where the data name none."""
    own = set(bench.test.observed or bench.classes)
    return [column for column, name in enumerate(bench.classes) if name in own]


async def by_tree(bench: Bench) -> MethodScores:
    """By steps in the tree.

    Where all classes are leaves of one depth, none that was not observed lies nearer to everything than its
    observed sibling: such a tree makes errors smaller, and seldom names an unobserved class. The base
    classifier goes by names, since the observed classes are those that the model knows by name; descriptors
    would let it see the others as well, and nothing would be left to guess at.
    """
    columns = observed(bench)
    known = [bench.classes[column] for column in columns]
    return by_distances(bench, name_vectors(bench), tree_distances(bench.parents, bench.classes, known))


async def by_texts(bench: Bench) -> MethodScores:
    """By how far apart the class texts are, where there is no tree."""
    words = name_vectors(bench)
    return by_distances(bench, words, text_distances(words, words[observed(bench)]))


def by_distances(bench: Bench, words: Tensor, distances: Tensor) -> MethodScores:
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


async def by_base(bench: Bench) -> MethodScores:
    """The base model alone: its classifier over the classes it knows; the others are out of the running."""
    columns = observed(bench)
    words = name_vectors(bench)[columns]
    scores = torch.full((len(bench.images), len(bench.classes)), -torch.inf)
    scores[:, columns] = bench.logit_scale * (bench.vectors @ words.T)
    return MethodScores(scores=scores)


METHODS = (
    Method(
        key="loki-base",
        title="Loki's base: observed classes alone",
        source=_SOURCE,
        needs=frozenset({Need.NAMES, Need.TREE}),
        run=by_base,
    ),
    Method(
        key="loki-tree",
        title="Loki, tree",
        source=_SOURCE,
        needs=frozenset({Need.NAMES, Need.TREE}),
        run=by_tree,
    ),
    Method(
        key="loki-text",
        title="Loki, class texts",
        source=_SOURCE,
        needs=frozenset({Need.NAMES}),
        run=by_texts,
    ),
)
