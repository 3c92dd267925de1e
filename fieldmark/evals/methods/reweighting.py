"""RAM++'s reweighting of a class's descriptions by how well each fits the image, nothing trained."""

from fieldmark.evals.methods.cupl import own_questions
from fieldmark.evals.methods.knowledge import or_plain, portraits
from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need
from fieldmark.tools.scoring.reweighting import reweighted_scores


async def by_fitting_sentences(bench: Bench) -> MethodScores:
    """CuPL's sentences, weighed anew for each image."""
    sentences = or_plain(await portraits(own_questions(bench), bench), bench)
    scores = reweighted_scores(bench.vectors, bench.encode, sentences, logit_scale=bench.logit_scale)
    return MethodScores(scores=scores)


METHODS = (
    Method(
        key="ram-reweighting",
        title="RAM++ reweighting of CuPL's sentences, training-free",
        source="Huang et al. 2023",
        needs=frozenset({Need.NAMES, Need.LLM}),
        run=by_fitting_sentences,
    ),
)
