"""CapS-Adapter: a cache of support images and of their captions, mixed."""

from typing import Literal

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.class_vectors import descriptor_vectors, name_vectors
from fieldmark.evals.methods.shared.support import Support, fitting_support, fitting_vectors
from fieldmark.evals.methods.sus_x import TipXOptions, pool_support, signature_cache_scores
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.scoring.vectors import unit

Signatures = Literal["code", "paper"]


def caps_adapter_scores(
    image_vectors: Tensor,
    class_vectors: Tensor,
    *,
    support: Support,
    captions: Tensor,
    logit_scale: float,
    delta: float = 0.5,
    options: TipXOptions | None = None,
    signatures: Signatures = "code",
) -> Tensor:
    """TIP-X whose affinity also looks at the captions of the support images ("M-Adapter").

        B     = (1 − δ)·f·Kᵀ + δ·f·Tᵀ                image to image, and image to caption
        score = s·f·Wᵀ + α·exp(−β(1 − B))·L + γ·ψ(−M)·L

    with K the support images, T their captions, L their labels, and M, ψ as in `tip_x_scores`; where ψ asks
    for the range of cosines, it is the range of B. δ = 0 is TIP-X, δ = 1 looks at captions alone.

    Released code and paper differ in the signatures behind M: the code computes the cosines with the class
    texts and then overwrites them, so that its signature is the softmax of the image **vector** at
    temperature 0.5, whose entries are not classes at all; the paper's is TIP-X's, over class texts. The
    default follows the code. In the code the ranges of ψ are those of batches of 8,192 images, and the
    divergences of the last N mod 10 images stay 0; neither is followed.

    The authors search δ in steps of 0.1 together with α, β and γ on the validation images; 0.5 is the
    middle, not a published value.

    Source: Wang et al. 2024, section on M-Adapter, and released code.

    Args:
        image_vectors: Unit image vectors [N, D].
        class_vectors: Unit class vectors [C, D].
        support: Support images.
        captions: Vector of each support image's caption [S, D]; need not be unit. Several captions of one
            image: give the mean of their vectors.
        logit_scale: The encoder's factor s on cosines.
        delta: Share of the captions in the affinity, 0 to 1.
        options: The constants shared with TIP-X.
        signatures: What a signature is the softmax of: the image vector ("code") or its cosines with the
            class vectors ("paper").

    Returns:
        Scores [N, C], float32.

    Raises:
        InputError: If shapes do not fit, a label is no class, or an option is out of range.
    """
    images, weights = fitting_vectors(image_vectors, class_vectors)
    keys, labels = fitting_support(support, len(weights), images.shape[1])
    if captions.shape != keys.shape:
        raise InputError(
            f"Caption vectors {tuple(captions.shape)} do not fit support vectors {tuple(keys.shape)}.",
            hint="Give one caption vector per support image.",
        )
    if not 0 <= delta <= 1 or signatures not in ("code", "paper"):
        raise InputError(
            f"delta is {delta}, signatures is {signatures!r}.",
            hint='delta lies between 0 and 1; signatures is "code" or "paper".',
        )
    keys = unit(keys)
    by_class = signatures == "paper"
    return signature_cache_scores(
        images,
        weights,
        # The affinity is linear in the keys: mixing keys is mixing affinities.
        keys=torch.lerp(keys, unit(captions), delta),
        labels=labels,
        looks=images @ weights.T if by_class else images,
        support_looks=keys @ weights.T if by_class else keys,
        logit_scale=logit_scale,
        options=options or TipXOptions(),
    )


async def by_names(bench: EvalBench) -> MethodScores:
    """From the plain template."""
    return by_captions(bench, name_vectors(bench))


async def by_descriptors(bench: EvalBench) -> MethodScores:
    """From descriptors, for classes whose names say nothing to the model."""
    return by_captions(bench, await descriptor_vectors(bench))


def by_captions(bench: EvalBench, words: Tensor) -> MethodScores:
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
    text = bench.logit_scale * (bench.vectors @ words.T)
    return MethodScores(scores=scores, parts={"name": text, "pool": scores - text})


_SOURCE = "Wang et al. 2024"

# Transductive by a hair: TIP-X scales one term by its extremes over all test images.
METHODS = (
    EvalMethod(
        key="caps-adapter",
        title="CapS-Adapter, captioned pool",
        source=_SOURCE,
        needs=frozenset({MethodNeed.NAMES, MethodNeed.POOL, MethodNeed.CAPTIONS}),
        run=by_names,
        on_texts=by_captions,
        transductive=True,
    ),
    EvalMethod(
        key="caps-adapter-descriptors",
        title="CapS-Adapter, captioned pool, descriptors",
        source=_SOURCE,
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM, MethodNeed.POOL, MethodNeed.CAPTIONS}),
        run=by_descriptors,
        transductive=True,
    ),
)
