"""CapS-Adapter: support images found in a pool by the class texts, and their captions beside them.

It knows nothing of labelled images or of who wrote the captions.
"""

from fieldmark.evals.methods.bench import Bench
from fieldmark.evals.methods.class_vectors import name_vectors
from fieldmark.evals.methods.method import Method, Need, Scored
from fieldmark.evals.methods.sus_x import pool_support
from fieldmark.tools.scoring.caps_adapter import caps_adapter_scores


async def by_captions(bench: Bench) -> Scored:
    """Score by text, images and captions.

    The authors let a model caption a few labelled images and draw the support images from these captions;
    here both come from a captioned pool. They choose δ, α, β and γ on validation images; without labels, δ
    is one half and the others are the constants of `TipXOptions`.
    """
    words = name_vectors(bench)
    support = pool_support(bench, words)
    rows = [] if support.rows is None else support.rows.tolist()
    captions = bench.encode([bench.captions[row] for row in rows])
    scores = caps_adapter_scores(
        bench.vectors, words, support=support, captions=captions, logit_scale=bench.logit_scale
    )
    return Scored(scores=scores)


METHODS = (
    Method(
        key="caps-adapter",
        title="CapS-Adapter, captioned pool",
        source="Wang et al. 2024",
        needs=frozenset({Need.NAMES, Need.POOL, Need.CAPTIONS}),
        run=by_captions,
        # ψ scales by the extremes over all test images
        transductive=True,
    ),
)
