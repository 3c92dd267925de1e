"""SuS-X: support images found in a pool by the class texts, compared by text signatures; nothing trained."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.class_vectors import descriptor_vectors, name_vectors
from fieldmark.evals.methods.shared.support import Support, fitting_support, fitting_vectors, label_sums
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.scoring.neighbours import nearest_rows
from fieldmark.tools.scoring.vectors import image_steps, unit

Psi = Literal["code", "paper"]


@dataclass(frozen=True, kw_only=True)
class TipXOptions:
    """Constants of TIP-X.

    Attributes:
        alpha: Weight of the image-to-image affinities, beside logits of scale 100 in the authors' work.
        beta: How sharply image-to-image similarity counts.
        gamma: Weight of the signature term; 0 is Tip-Adapter.
        temperature: Of the softmax over cosines that makes a signature.
        psi: How divergences become affinities, see `tip_x_scores`.
    """

    alpha: float = 1.0
    beta: float = 5.5
    gamma: float = 1.0
    temperature: float = 0.5
    psi: Psi = "code"

    def __post_init__(self) -> None:
        if self.temperature <= 0 or self.psi not in ("code", "paper"):
            raise InputError(
                f"Options of TIP-X out of range: {self}.", hint='temperature > 0, psi "code" or "paper".'
            )


def nearest_support(pool_vectors: Tensor, class_vectors: Tensor, *, per_class: int) -> Support:
    """The pool images nearest to each class text: the support set "SuS", labelled by name alone.

    The authors retrieve from LAION-5B by the cosine of image and class text (or generate images); here any
    unlabelled pool plays LAION's role. An image may support several classes, as it may there. Where the
    pool holds the very images that are to be scored, each finds itself in the cache: use another pool, or
    know it.

    Source: Udandarao et al. 2023, section 3.1 ("SuS-LC").

    Args:
        pool_vectors: Unit image vectors [P, D].
        class_vectors: Unit class vectors [C, D].
        per_class: How many images to take per class; fewer where the pool is smaller.

    Returns:
        Support of C·per_class images, class by class, nearest first, with their rows in the pool.

    Raises:
        InputError: If shapes do not fit, the pool is empty or `per_class` is below 1.
    """
    pool, weights = fitting_vectors(pool_vectors, class_vectors)
    if per_class < 1 or not len(pool):
        raise InputError(
            f"{per_class} images per class cannot be taken from a pool of {len(pool)}.",
            hint="Give a pool with images, and take at least 1 per class.",
        )
    rows, _ = nearest_rows(weights, pool, per_class)
    labels = torch.arange(len(weights), device=pool.device).repeat_interleave(rows.shape[1])
    return Support(vectors=pool[rows.reshape(-1)], labels=labels, rows=rows.reshape(-1))


def tip_x_scores(
    image_vectors: Tensor,
    class_vectors: Tensor,
    *,
    support: Support,
    logit_scale: float,
    options: TipXOptions | None = None,
) -> Tensor:
    """Tip-Adapter plus a term that compares images by how they look to the texts.

        score = s·f·Wᵀ + α·A·L + γ·ψ(−M)·L
        A     = exp(−β(1 − f·Kᵀ))                    image to image, as in Tip-Adapter
        M     = KL(softmax(f·Wᵀ/0.5) ‖ softmax(K·Wᵀ/0.5))   between text signatures, image ‖ support

    ψ brings M to a range that fits. In the released code M is scaled to the range [lo, hi] of the cosines
    f·Kᵀ and **then** negated, so that the most alike pair gets −lo and the least alike −hi; the paper writes
    −M scaled to the range of A, so that the most alike pair gets A's maximum. The two differ in the width of
    the range and in a constant per support image, which cancels where every class has equally many.
    `options.psi` chooses; the default follows the code. Both ranges are taken over all images given, so an
    image's score depends on the images that come with it.

    Two slips of the released code are not followed: the divergences of the last N mod 100 images stay 0, and
    the test images' range is taken from the cosines of the validation images.

    Source: Udandarao et al. 2023, section 3.2 ("TIP-X"), and released code.

    Args:
        image_vectors: Unit image vectors [N, D].
        class_vectors: Unit class vectors [C, D].
        support: Support images, from `nearest_support` or labelled.
        logit_scale: The encoder's factor s on cosines.
        options: The constants.

    Returns:
        Scores [N, C], float32.

    Raises:
        InputError: If shapes do not fit, or a label is no class.
    """
    images, weights = fitting_vectors(image_vectors, class_vectors)
    keys, labels = fitting_support(support, len(weights), images.shape[1])
    keys = unit(keys)
    return signature_cache_scores(
        images,
        weights,
        keys=keys,
        labels=labels,
        looks=images @ weights.T,
        support_looks=keys @ weights.T,
        logit_scale=logit_scale,
        options=options or TipXOptions(),
    )


def signature_cache_scores(
    images: Tensor,
    weights: Tensor,
    *,
    keys: Tensor,
    labels: Tensor,
    looks: Tensor,
    support_looks: Tensor,
    logit_scale: float,
    options: TipXOptions,
) -> Tensor:
    """The formula of `tip_x_scores`, for any keys and any signatures.

    Args:
        images: Unit image vectors [N, D] float32.
        weights: Unit class vectors [C, D] float32.
        keys: What image vectors are compared with [S, D] float32; need not be of unit length.
        labels: Class of each support image [S] int64.
        looks: What an image's signature is the softmax of [N, F] float32.
        support_looks: The same for the support images [S, F] float32.
        logit_scale: The factor on text cosines.
        options: The constants.

    Returns:
        Scores [N, C], float32.
    """
    scores = logit_scale * (images @ weights.T)
    if not len(images):
        return scores
    signatures = _log_signatures(support_looks, options.temperature)
    steps = list(image_steps(len(images), 6 * len(keys) + 4 * looks.shape[1]))
    term = _psi(images, keys, looks, signatures, steps, options) if options.gamma else None
    for step in steps:
        affinity = options.alpha * (options.beta * (keys @ images[step].T - 1)).exp()
        if term is not None:
            divergence = _divergences(looks[step], signatures, options.temperature)
            affinity += (options.gamma * term(divergence)).to(torch.float32)
        scores[step] += label_sums(affinity, labels, len(weights))
    return scores


def _psi(
    images: Tensor,
    keys: Tensor,
    looks: Tensor,
    signatures: Tensor,
    steps: Sequence[slice],
    options: TipXOptions,
) -> Callable[[Tensor], Tensor]:
    """ψ(−M) as a function of M: its ranges are those over all pairs of image and support image."""
    cosines, divergences = [], []
    for step in steps:
        cosines += [float(bound) for bound in (keys @ images[step].T).aminmax()]
        divergence = _divergences(looks[step], signatures, options.temperature)
        divergences += [float(bound) for bound in divergence.aminmax()]
    low, high = min(cosines), max(cosines)
    if options.psi == "paper":
        low, high = math.exp(options.beta * (low - 1)), math.exp(options.beta * (high - 1))
    nearest = -low if options.psi == "code" else high
    least = min(divergences)
    width = max(divergences) - least
    slope = (high - low) / width if width > 0 else 0.0
    return lambda divergence: nearest - slope * (divergence - least)


def _log_signatures(looks: Tensor, temperature: float) -> Tensor:
    """Log probabilities [n, F] float64: divergences at this temperature are too small for float32."""
    return (looks.to(torch.float64) / temperature).log_softmax(dim=1)


def _divergences(looks: Tensor, signatures: Tensor, temperature: float) -> Tensor:
    """KL(image ‖ support) [S, n] float64."""
    logs = _log_signatures(looks, temperature)
    shares = logs.exp()
    return (shares * logs).sum(dim=1) - signatures @ shares.T


MOST_PER_CLASS = 16
_SOURCE = "Udandarao et al. 2023"


def pool_support(bench: EvalBench, words: Tensor) -> Support:
    """The pool's images nearest to each class text: its average share of a class, 16 at most.

    Args:
        bench: The bench.
        words: Unit class vectors `[C, D]`.
    """
    share = len(bench.pool_vectors) // len(words)
    return nearest_support(bench.pool_vectors, words, per_class=max(1, min(MOST_PER_CLASS, share)))


async def by_names(bench: EvalBench) -> MethodScores:
    """From the plain template."""
    return by_support(bench, name_vectors(bench))


async def by_descriptors(bench: EvalBench) -> MethodScores:
    """From descriptors, as the authors look for support images by what a language model says of a class."""
    return by_support(bench, await descriptor_vectors(bench))


def by_support(bench: EvalBench, words: Tensor) -> MethodScores:
    """Score by text, images and signatures.

    The authors choose α, β, γ and the number of support images on validation images. Without labels there is
    nothing to choose them on: α, β and γ are the constants of `TipXOptions`.

    Args:
        bench: The bench.
        words: Unit class vectors `[C, D]`.
    """
    support = pool_support(bench, words)
    scores = tip_x_scores(bench.vectors, words, support=support, logit_scale=bench.logit_scale)
    text = bench.logit_scale * (bench.vectors @ words.T)
    return MethodScores(scores=scores, parts={"name": text, "pool": scores - text})


# Transductive by a hair: TIP-X scales one term by its extremes over all test images.
METHODS = (
    EvalMethod(
        key="sus-x",
        title="SuS-X, pool images by name",
        source=_SOURCE,
        needs=frozenset({MethodNeed.NAMES, MethodNeed.POOL}),
        run=by_names,
        on_texts=by_support,
        transductive=True,
    ),
    EvalMethod(
        key="sus-x-descriptors",
        title="SuS-X, pool images by descriptors",
        source=_SOURCE,
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM, MethodNeed.POOL}),
        run=by_descriptors,
        transductive=True,
    ),
)
