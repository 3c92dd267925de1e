"""CapS-Adapter: support images found in a pool by the class texts, and their captions beside them."""

from torch import Tensor

from fieldmark.evals.methods.class_vectors import descriptor_vectors, name_vectors
from fieldmark.evals.methods.sus_x import pool_support
from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need
from fieldmark.tools.scoring.caps_adapter import caps_adapter_scores


async def by_names(bench: Bench) -> MethodScores:
    """From the plain template."""
    return by_captions(bench, name_vectors(bench))


async def by_descriptors(bench: Bench) -> MethodScores:
    """From descriptors, for classes whose names say nothing to the model."""
    return by_captions(bench, await descriptor_vectors(bench))


def by_captions(bench: Bench, words: Tensor) -> MethodScores:
    """Score by text, images and captions.

    The authors let a model caption a few labelled images and draw the support images from these captions;
    here both come from a captioned pool. They choose δ, α, β and γ on validation images; without labels, δ
    is one half and the others are the constants of `TipXOptions`.

    Args:
        bench: The bench.
        words: Unit class vectors `[C, D]`.
    """
    support = pool_support(bench, words)
    rows = [] if support.rows is None else support.rows.tolist()
    captions = bench.encode([bench.captions[row] for row in rows])
    scores = caps_adapter_scores(
        bench.vectors, words, support=support, captions=captions, logit_scale=bench.logit_scale
    )
    return MethodScores(scores=scores)


_SOURCE = "Wang et al. 2024"

# Transductive by a hair: TIP-X scales one term by its extremes over all test images.
METHODS = (
    Method(
        key="caps-adapter",
        title="CapS-Adapter, captioned pool",
        source=_SOURCE,
        needs=frozenset({Need.NAMES, Need.POOL, Need.CAPTIONS}),
        run=by_names,
        transductive=True,
    ),
    Method(
        key="caps-adapter-descriptors",
        title="CapS-Adapter, captioned pool, descriptors",
        source=_SOURCE,
        needs=frozenset({Need.NAMES, Need.LLM, Need.POOL, Need.CAPTIONS}),
        run=by_descriptors,
        transductive=True,
    ),
)
