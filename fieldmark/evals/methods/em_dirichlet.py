"""EM-Dirichlet: all test images clustered together by what the text classifier says of them.

It knows nothing of labelled images or of image vectors.
"""

from fieldmark.evals.methods.bench import Bench
from fieldmark.evals.methods.class_vectors import name_vectors
from fieldmark.evals.methods.method import Method, Need, Scored
from fieldmark.evals.methods.transclip import log_shares
from fieldmark.tools.scoring.em_dirichlet import em_dirichlet_scores


async def by_names(bench: Bench) -> Scored:
    """Logarithms of the memberships, from the plain template, with the authors' constants.

    Their λ is for tasks with a few of many classes at a time.
    """
    return Scored(scores=log_shares(em_dirichlet_scores(bench.vectors, name_vectors(bench))))


METHODS = (
    Method(
        key="em-dirichlet",
        title="EM-Dirichlet",
        source="Martin et al. 2024",
        needs=frozenset({Need.NAMES}),
        run=by_names,
        transductive=True,
        scale="four float64 tables of images × classes: 250,000 images of 1,000 classes",
    ),
)
