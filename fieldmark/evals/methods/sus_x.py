"""SuS-X: support images found in a pool by the class texts, then compared by TIP-X; no label, no training."""

from torch import Tensor

from fieldmark.evals.methods.class_vectors import descriptor_vectors, name_vectors
from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need
from fieldmark.tools.scoring.fitting import Support
from fieldmark.tools.scoring.sus_x import nearest_support, tip_x_scores

MOST_PER_CLASS = 16
_SOURCE = "Udandarao et al. 2023"


def pool_support(bench: Bench, words: Tensor) -> Support:
    """The pool's images nearest to each class text: its average share of a class, 16 at most.

    Args:
        bench: The bench.
        words: Unit class vectors `[C, D]`.
    """
    share = len(bench.pool_vectors) // len(words)
    return nearest_support(bench.pool_vectors, words, per_class=max(1, min(MOST_PER_CLASS, share)))


async def by_names(bench: Bench) -> MethodScores:
    """From the plain template."""
    return by_support(bench, name_vectors(bench))


async def by_descriptors(bench: Bench) -> MethodScores:
    """From descriptors, as the authors look for support images by what a language model says of a class."""
    return by_support(bench, await descriptor_vectors(bench))


def by_support(bench: Bench, words: Tensor) -> MethodScores:
    """Score by text, images and signatures.

    The authors choose α, β, γ and the number of support images on validation images. Without labels there is
    nothing to choose them on: α, β and γ are the constants of `TipXOptions`.

    Args:
        bench: The bench.
        words: Unit class vectors `[C, D]`.
    """
    support = pool_support(bench, words)
    scores = tip_x_scores(bench.vectors, words, support=support, logit_scale=bench.logit_scale)
    return MethodScores(scores=scores)


# Transductive by a hair: TIP-X scales one term by its extremes over all test images.
METHODS = (
    Method(
        key="sus-x",
        title="SuS-X, pool images by name",
        source=_SOURCE,
        needs=frozenset({Need.NAMES, Need.POOL}),
        run=by_names,
        transductive=True,
    ),
    Method(
        key="sus-x-descriptors",
        title="SuS-X, pool images by descriptors",
        source=_SOURCE,
        needs=frozenset({Need.NAMES, Need.LLM, Need.POOL}),
        run=by_descriptors,
        transductive=True,
    ),
)
