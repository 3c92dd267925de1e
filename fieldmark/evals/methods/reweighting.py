"""RAM++'s reweighting, nothing trained: a class's descriptions weighed anew for each image by their fit."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.cupl import own_questions
from fieldmark.evals.methods.shared.questions import or_plain, portraits
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.scoring.vectors import Encode, encode_groups, image_steps, unit

REWEIGHT_SCALE = 1 / 0.07
"""What RAM++'s factor on cosines starts from; training moves it."""


def reweighted_scores(
    image_vectors: Tensor,
    encode: Encode,
    descriptions: Sequence[Sequence[str]],
    *,
    reweight_scale: float = REWEIGHT_SCALE,
    logit_scale: float = 1.0,
    renormalise: bool = True,
) -> Tensor:
    """Cosine of each image with the descriptions of each class, mixed for that image.

        w[n,c,d] = softmax over d of g * cos(f_n, t_cd)
        v[n,c]   = sum_d w[n,c,d] t_cd
        score    = s * cos(f_n, v[n,c]),  or  s * f_n . v[n,c] without renormalising

    The softmax runs within a class. Not renormalised, the score is the weighted mean of the class's cosines.

    Source: Huang et al. 2023 (RAM++, "Open-Set Image Tagging with Multi-Grained Text Supervision"), section
    on automatic re-weighting of tag descriptions, and released code (`ram_plus.py`). There g is trained, 51
    descriptions make a class, and v, not renormalised, goes through a trained projection and decoder. The
    descriptions of unseen classes are weighed in the same way (`generate_tag_openset`). This is the part that
    needs no training, with CLIP's cosine in the decoder's place.

    Args:
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; called once, with each distinct text once.
        descriptions: The texts of each class, as many as there are; a text given twice counts twice.
        reweight_scale: g. At 0 all descriptions count alike; the larger, the closer to the best one alone.
        logit_scale: The encoder's factor on cosines (s); 1 gives plain cosines.
        renormalise: Whether v is scaled to length one.

    Returns:
        Scores [N, C], float32.

    Raises:
        InputError: If a class has no description, or `reweight_scale` is below 0.
    """
    if not reweight_scale >= 0:
        raise InputError(f"Reweighting scale {reweight_scale}.", hint="Use a scale of 0 or more.")
    texts = encode_groups(descriptions, encode)
    images = image_vectors.to(torch.float32)
    scores = images.new_zeros(len(images), len(descriptions))
    own = texts.text.split([len(group) for group in descriptions])
    for column, rows in enumerate(own):
        vectors = texts.vectors[rows]
        for step in image_steps(len(images), 2 * (len(rows) + vectors.shape[1])):
            weights = (reweight_scale * (images[step] @ vectors.T)).softmax(1)
            mixed = weights @ vectors
            scores[step, column] = (images[step] * (unit(mixed) if renormalise else mixed)).sum(1)
    return logit_scale * scores


async def by_fitting_sentences(bench: EvalBench) -> MethodScores:
    """CuPL's sentences, weighed anew for each image."""
    sentences = or_plain(await portraits(own_questions(bench), bench), bench)
    scores = reweighted_scores(bench.vectors, bench.encode, sentences, logit_scale=bench.logit_scale)
    return MethodScores(scores=scores)


async def as_tags(bench: EvalBench) -> MethodScores:
    """The same, not renormalised, as RAM++ tags: a class's descriptions that disagree lower its own score."""
    sentences = or_plain(await portraits(own_questions(bench), bench), bench)
    scores = reweighted_scores(
        bench.vectors, bench.encode, sentences, logit_scale=bench.logit_scale, renormalise=False
    )
    return MethodScores(scores=scores)


METHODS = (
    EvalMethod(
        key="ram-reweighting",
        title="RAM++ reweighting of CuPL's sentences, training-free",
        source="Huang et al. 2023",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM}),
        run=by_fitting_sentences,
    ),
    EvalMethod(
        key="ram-tagging",
        title="RAM++ tagging by CuPL's sentences, training-free",
        source="Huang et al. 2023",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM}),
        run=as_tags,
    ),
)
