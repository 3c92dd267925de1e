"""TransCLIP: all test images labelled together, from the text classifier of names or of descriptors."""

import torch
from torch import Tensor

from fieldmark.evals.methods.class_vectors import descriptor_vectors, name_vectors
from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need
from fieldmark.tools.scoring.transclip import transclip_scores

_SCALE = "three float32 tables of images × classes: 600,000 images of 1,000 classes"


async def by_names(bench: Bench) -> MethodScores:
    """From the plain template, the authors' constants: nothing is tuned."""
    return together(bench, name_vectors(bench))


async def by_descriptors(bench: Bench) -> MethodScores:
    """From descriptor prototypes: where names say nothing, so do the assignments that begin with them."""
    return together(bench, await descriptor_vectors(bench))


def together(bench: Bench, words: Tensor) -> MethodScores:
    """Logarithms of the assignments, so that their softmax is the assignments."""
    return MethodScores(
        scores=log_shares(transclip_scores(bench.vectors, words, logit_scale=bench.logit_scale))
    )


def log_shares(shares: Tensor) -> Tensor:
    """Logarithms of shares `[N, C]`; finite, since a class at 0 is not out of the running."""
    return shares.clamp(min=torch.finfo(shares.dtype).tiny).log()


METHODS = (
    Method(
        key="transclip-zs",
        title="TransCLIP-ZS, one template",
        source="Zanella et al. 2024",
        needs=frozenset({Need.NAMES}),
        run=by_names,
        transductive=True,
        scale=_SCALE,
    ),
    Method(
        key="transclip-descriptors",
        title="TransCLIP-ZS, descriptors",
        source="Zanella et al. 2024",
        needs=frozenset({Need.NAMES, Need.LLM}),
        run=by_descriptors,
        transductive=True,
        scale=_SCALE,
    ),
)
