"""ZPE: templates weighed by how sure they make the model of unlabelled images, their biases taken out."""

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.template_pool import SCALE, encode_grid, pool_of, weighed
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores, Run
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.scoring.vectors import image_steps


def prompt_scores(
    image_vectors: Tensor, grid: Tensor, *, logit_scale: float, pretrain_vectors: Tensor | None = None
) -> Tensor:
    """How sure each template makes the model, on average over images.

        l~[n,p,c] = l[n,p,c] - (E_pretrain l[.,p,c] + E_test l[.,p,c]) / 2
        score_p   = mean_n max_c l~[n,p,c]

    The means E are over images, for each template and class on its own; without images like those of
    pretraining, all of E_test is subtracted. The maximum is taken **after** the subtraction. Logits are
    linear in the image, so that subtracting E l is subtracting the mean image vector: no mean over
    [N, P, C] is formed, and memory holds a few hundred images' logits at a time.

    Source: Allingham et al. 2023, section 3 (algorithm 2); the notebook's modes "both" and "test".

    Args:
        image_vectors: Unit image vectors [N, D], N > 0.
        grid: Unit text vectors [P, C, D].
        logit_scale: The encoder's factor on cosines, above 0.
        pretrain_vectors: Unit vectors [M, D] of images like those the encoder was trained with (the
            authors take 20,000 of LAION-400M).

    Returns:
        Scores [P], float32.

    Raises:
        InputError: If there are no images, or `logit_scale` is not above 0.
    """
    if not logit_scale > 0:
        raise InputError(f"Logit scale {logit_scale}.", hint="Give the encoder's factor on cosines, above 0.")
    centre = _mean_image(image_vectors)
    if pretrain_vectors is not None:
        centre = (centre + _mean_image(pretrain_vectors)) / 2
    prompts, classes, width = grid.shape
    columns = grid.reshape(prompts * classes, width).T
    total = torch.zeros(prompts, dtype=torch.float64)
    for step in image_steps(len(image_vectors), prompts * classes):
        images = (image_vectors[step].to(torch.float64) - centre).to(grid.dtype)
        total += (images @ columns).view(-1, prompts, classes).amax(2).to(torch.float64).sum(0)
    return (logit_scale / len(image_vectors) * total).to(torch.float32)


def prompt_weights(scores: Tensor, *, threshold: float | None = None) -> Tensor:
    """Softmax of the scores, over all templates or over those that stand out.

        keep p if (score_p - median) / MAD > threshold

    One-sided, and the median absolute deviation is not scaled to a standard deviation. Medians of an even
    number of scores are the mean of the middle two.

    Source: Allingham et al. 2023, section 3 (prompt selection); released notebook. Their thresholds: 0.5 for
    ImageNet-like sets, 2.0 for fine-grained ones.

    Args:
        scores: From `prompt_scores` [P].
        threshold: Least distance above the median, in MADs; every template is kept where not given.

    Returns:
        Weights [P], float32, that sum to 1; 0 where not kept.

    Raises:
        InputError: If no template is kept.
    """
    if threshold is None:
        return scores.to(torch.float32).softmax(0)
    exact = scores.to(torch.float64)
    above = exact - exact.quantile(0.5)
    kept = above > threshold * above.abs().quantile(0.5)
    if not bool(kept.any()):
        raise InputError(
            f"None of {len(scores)} templates scores {threshold} MADs above the median.",
            hint="Lower the threshold, give more templates, or select none by leaving the threshold out.",
        )
    return exact.masked_fill(~kept, -torch.inf).softmax(0).to(torch.float32)


def _mean_image(vectors: Tensor) -> Tensor:
    """Mean vector [D], float64."""
    if not len(vectors):
        raise InputError("There are no images to weigh templates by.", hint="Give at least one image vector.")
    return vectors.mean(0, dtype=torch.float64)


THRESHOLD = 0.5
"""The authors' threshold for sets like ImageNet. Theirs for fine-grained ones, 2, often selects none where a
third of the pool is bad: the scores spread then more below the median than above it."""


def by_weighed_templates(*, select: bool, reference: bool = False) -> Run:
    """Weigh the pool's templates; with `select`, only those that stand out.

    With `reference`, the encoder's reference pool stands for the images of pretraining: half of what is
    subtracted are its means, as in the paper.
    """

    async def run(bench: EvalBench) -> MethodScores:
        pretrain = bench.encoder.reference if reference else None
        if reference and pretrain is None:
            raise InputError(
                "The term for pretraining needs images like those that the encoder was trained on.",
                hint="Give a folder of some as the reference, or choose zpe.",
                field="reference",
            )
        grid = encode_grid(pool_of(bench), bench.encode)
        found = prompt_scores(bench.vectors, grid, logit_scale=bench.logit_scale, pretrain_vectors=pretrain)
        weights = prompt_weights(found, threshold=THRESHOLD if select else None)[:, None]
        return weighed(bench, grid, weights)

    return run


async def by_all_alike(bench: EvalBench) -> MethodScores:
    """The mean of the same logits, every template counting the same."""
    grid = encode_grid(pool_of(bench), bench.encode)
    return weighed(bench, grid, grid.new_full((len(grid), 1), 1 / len(grid)))


_NAMES = frozenset({MethodNeed.NAMES})

METHODS = (
    EvalMethod(
        key="pool-mean",
        title="All templates of a pool alike",
        source="Allingham et al. 2023",
        needs=_NAMES,
        run=by_all_alike,
        scale=SCALE,
        version="2",
    ),
    EvalMethod(
        key="zpe",
        title="ZPE, weighed templates",
        source="Allingham et al. 2023",
        needs=_NAMES,
        run=by_weighed_templates(select=False),
        transductive=True,
        scale=SCALE,
        version="2",
    ),
    EvalMethod(
        key="zpe-reference",
        title="ZPE, weighed, pretraining images too",
        source="Allingham et al. 2023",
        needs=_NAMES | {MethodNeed.REFERENCE},
        run=by_weighed_templates(select=False, reference=True),
        transductive=True,
        scale=SCALE,
    ),
    EvalMethod(
        key="zpe-select",
        title="ZPE, selected templates",
        source="Allingham et al. 2023",
        needs=_NAMES,
        run=by_weighed_templates(select=True),
        transductive=True,
        scale=SCALE,
        version="2",
    ),
)
