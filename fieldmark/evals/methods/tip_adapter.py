"""Tip-Adapter: a cache of the labelled shots beside the text classifier, nothing trained."""

from collections.abc import Iterator

import torch
from torch import Tensor

from fieldmark.evals.methods.class_vectors import name_vectors
from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need
from fieldmark.tools.scoring.fitting import Support, held_out_shots
from fieldmark.tools.scoring.tip_adapter import tip_adapter_scores

ALPHA, BETA = 1.0, 5.5
"""The paper's own constants, for shots too few to hold any out."""
ALPHAS = tuple(0.1 + 2.9 * step / 19 for step in range(20))
BETAS = tuple(0.1 + 6.9 * step / 29 for step in range(30))
"""The authors' ranges of search, with 30 values of β instead of their 200."""


async def by_cache(bench: Bench) -> MethodScores:
    """Score by text and cache, α and β chosen on held-out shots.

    The authors choose both on the validation images of each data set. Here every fourth shot of a class is
    held out for that (see `held_out_shots`), and the cache then holds all shots. With one shot a class the
    paper's constants are used.
    """
    words, support = name_vectors(bench), Support(bench.train_vectors, bench.train_labels)
    alpha, beta = chosen(words, support, logit_scale=bench.logit_scale)
    scores = tip_adapter_scores(
        bench.vectors, words, support=support, logit_scale=bench.logit_scale, alpha=alpha, beta=beta
    )
    return MethodScores(scores=scores, diagnostics={"alpha": alpha, "beta": beta})


def chosen(words: Tensor, support: Support, *, logit_scale: float) -> tuple[float, float]:
    """The α and β with the best top-1 on held-out shots, then the least mean cross-entropy.

    Args:
        words: Unit class vectors `[C, D]`.
        support: The labelled shots.
        logit_scale: The encoder's factor on cosines.
    """
    held = held_out_shots(support.labels)
    if not bool(held.any()):
        return ALPHA, BETA
    kept = Support(support.vectors[~held], support.labels[~held])
    images, truth = support.vectors[held], support.labels[held]

    def trials() -> Iterator[tuple[float, float, float, float]]:
        for beta in BETAS:
            text, one = (
                tip_adapter_scores(
                    images, words, support=kept, logit_scale=logit_scale, alpha=alpha, beta=beta
                )
                for alpha in (0.0, 1.0)
            )
            for alpha in ALPHAS:  # scores are linear in α
                scores = torch.lerp(text, one, alpha)
                right = (scores.argmax(dim=1) == truth).to(torch.float32).mean()
                loss = torch.nn.functional.cross_entropy(scores, truth)
                yield float(right), -float(loss), alpha, beta

    *_, alpha, beta = max(trials())
    return alpha, beta


METHODS = (
    Method(
        key="tip-adapter",
        title="Tip-Adapter, training-free",
        source="Zhang et al. 2022",
        needs=frozenset({Need.NAMES, Need.LABELS}),
        run=by_cache,
    ),
)
