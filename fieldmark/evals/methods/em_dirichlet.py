"""EM-Dirichlet: all test images clustered together by what the text classifier says of them."""

from torch import Tensor

from fieldmark.evals.methods.class_vectors import descriptor_vectors, name_vectors
from fieldmark.evals.methods.transclip import log_shares
from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need
from fieldmark.tools.scoring.em_dirichlet import EmDirichletOptions, em_dirichlet_scores


async def by_names(bench: Bench) -> MethodScores:
    """From the plain template, with the authors' constants.

    Their λ is for tasks of 75 images from 5 of many classes. Where every class has images, as in most test
    sets, it drives images of several classes into one cluster.
    """
    return together(bench, name_vectors(bench), EmDirichletOptions())


async def by_descriptors(bench: Bench) -> MethodScores:
    """From descriptor prototypes, with λ = 0: no pull towards few clusters. All else is the authors'."""
    return together(bench, await descriptor_vectors(bench), EmDirichletOptions(partition_weight=0.0))


def together(bench: Bench, words: Tensor, options: EmDirichletOptions) -> MethodScores:
    """Logarithms of the memberships, so that their softmax is the memberships."""
    return MethodScores(scores=log_shares(em_dirichlet_scores(bench.vectors, words, options=options)))


_SOURCE = "Martin et al. 2024"
_SCALE = "four float64 tables of images × classes: 250,000 images of 1,000 classes"


METHODS = (
    Method(
        key="em-dirichlet",
        title="EM-Dirichlet",
        source=_SOURCE,
        needs=frozenset({Need.NAMES}),
        run=by_names,
        transductive=True,
        scale=_SCALE,
    ),
    Method(
        key="em-dirichlet-descriptors",
        title="EM-Dirichlet, descriptors, λ = 0",
        source=_SOURCE,
        needs=frozenset({Need.NAMES, Need.LLM}),
        run=by_descriptors,
        transductive=True,
        scale=_SCALE,
    ),
)
