"""Tip-Adapter without training: a cache of labelled images corrects the text classifier."""

from collections.abc import Iterator

import torch
from torch import Tensor

from fieldmark.evals.methods.shared.class_vectors import name_vectors
from fieldmark.evals.methods.shared.support import (
    Support,
    fitting_support,
    fitting_vectors,
    held_out_shots,
    label_sums,
)
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.scoring.vectors import image_steps, unit


def tip_adapter_scores(
    image_vectors: Tensor,
    class_vectors: Tensor,
    *,
    support: Support,
    logit_scale: float,
    alpha: float = 1.0,
    beta: float = 5.5,
) -> Tensor:
    """Text logits plus what the labelled images near an image say.

        score = s·f·Wᵀ + α·exp(−β(1 − f·Kᵀ))·L

    with W the class vectors, K the unit vectors of the support images (keys) and L their labels as one-hot
    rows (values). L is summed, not averaged: a class with more support images gets more. `alpha` stands
    beside `logit_scale`: the authors' values are for s = 100, and the same α weighs about six times as much
    at s = 16. A class without support keeps its text logit.

    The authors' keys are the mean of ten randomly cropped views of an image, averaged **before** they are
    scaled to length one; give such a mean as a support vector to do the same (keys are scaled here). Their
    published figures search α and β on the validation images, in the released code from 0.1 up; the values
    given here are the defaults of the paper's ablation on ImageNet.

    Source: Zhang et al. 2022, section 3.1 (cache model and "Tip-Adapter" inference), and released code,
    which agree.

    Args:
        image_vectors: Unit image vectors [N, D].
        class_vectors: Unit class vectors [C, D], from `class_prototypes` for one.
        support: Labelled images.
        logit_scale: The encoder's factor s on cosines.
        alpha: Weight of the cache (residual ratio).
        beta: How sharply similarity counts.

    Returns:
        Scores [N, C], float32.

    Raises:
        InputError: If shapes do not fit, or a label is no class.
    """
    images, weights = fitting_vectors(image_vectors, class_vectors)
    keys, labels = fitting_support(support, len(weights), images.shape[1])
    keys = unit(keys)
    scores = logit_scale * (images @ weights.T)
    for step in image_steps(len(images), 2 * len(keys) + len(weights)):
        affinity = torch.exp(beta * (keys @ images[step].T - 1))
        scores[step] += alpha * label_sums(affinity, labels, len(weights))
    return scores


ALPHA, BETA = 1.0, 5.5
"""The paper's own constants, for shots too few to hold any out."""
ALPHAS = tuple(0.1 + 2.9 * step / 19 for step in range(20))
BETAS = tuple(0.1 + 6.9 * step / 29 for step in range(30))
"""The authors' ranges of search, with 30 values of β instead of their 200."""


async def by_names(bench: EvalBench) -> MethodScores:
    """From the plain template."""
    return by_cache(bench, name_vectors(bench))


def by_cache(bench: EvalBench, words: Tensor) -> MethodScores:
    """Score by text and cache, α and β chosen on held-out shots.

    The authors choose both on the validation images of each data set. Here every fourth shot of a class is
    held out for that (see `held_out_shots`), and the cache then holds all shots. With one shot a class the
    paper's constants are used.

    Args:
        bench: The bench.
        words: Unit class vectors `[C, D]`.
    """
    support = Support(bench.train_vectors, bench.train_labels)
    alpha, beta = chosen(words, support, logit_scale=bench.logit_scale)
    scores = tip_adapter_scores(
        bench.vectors, words, support=support, logit_scale=bench.logit_scale, alpha=alpha, beta=beta
    )
    text = bench.logit_scale * (bench.vectors @ words.T)
    return MethodScores(
        scores=scores,
        parts={"name": text, "labels": scores - text},
        diagnostics={"alpha": alpha, "beta": beta},
    )


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
    EvalMethod(
        key="tip-adapter",
        title="Tip-Adapter, training-free",
        source="Zhang et al. 2022",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LABELS}),
        run=by_names,
        on_texts=by_cache,
    ),
)
