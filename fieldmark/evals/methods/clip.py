"""CLIP with class names alone: one template, and ensembles over seven, eighty and the domain's own."""

from collections.abc import Sequence

from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores, Run, TextSum
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.books.templates import IMAGENET_7, IMAGENET_80, PLAIN, fill, fill_phrase
from fieldmark.tools.scoring.prototype import ensemble_scores

_SOURCE = "Radford et al. 2021"


async def by_name(bench: EvalBench) -> MethodScores:
    """The plain template, "a" or "an" as the name asks for."""
    return by_texts(bench, [[fill_phrase(PLAIN, name)] for name in bench.classes])


def by_templates(templates: Sequence[str]) -> Run:
    """An ensemble over given templates."""

    async def run(bench: EvalBench) -> MethodScores:
        return by_texts(bench, [fill(templates, name) for name in bench.classes])

    return run


async def by_own_templates(bench: EvalBench) -> MethodScores:
    """An ensemble over the templates of the domain."""
    templates = bench.test.templates
    if not templates:
        bench.notes.append("the domain has no templates of its own: the plain one stood in")
    return await by_templates(templates or (PLAIN,))(bench)


def by_texts(bench: EvalBench, texts: Sequence[Sequence[str]]) -> MethodScores:
    """Score by the unit mean of each class's texts, times the encoder's own scale."""
    scores = ensemble_scores(bench.vectors, bench.encode, texts, logit_scale=bench.logit_scale)
    return MethodScores(scores=scores, texts=TextSum(texts))


_NAMES = frozenset({MethodNeed.NAMES})

METHODS = (
    EvalMethod(key="clip", title="CLIP, one template", source=_SOURCE, needs=_NAMES, run=by_name, bound=True),
    EvalMethod(
        key="clip-7", title="CLIP, 7 templates", source=_SOURCE, needs=_NAMES, run=by_templates(IMAGENET_7)
    ),
    EvalMethod(
        key="clip-80", title="CLIP, 80 templates", source=_SOURCE, needs=_NAMES, run=by_templates(IMAGENET_80)
    ),
    EvalMethod(
        key="clip-domain", title="CLIP, domain templates", source=_SOURCE, needs=_NAMES, run=by_own_templates
    ),
)
