"""PerceptionCLIP: what surrounds the object is inferred first, then the object given its surroundings."""

from collections.abc import Sequence
from math import prod

from fieldmark.evals.methods.knowledge import answers
from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need, Run
from fieldmark.evals.table.test_set import ImageFactor
from fieldmark.records import QuestionSpec
from fieldmark.tools.books.wording import with_article
from fieldmark.tools.scoring.perception import Factors, context_texts, perception_scores

MOST_CONTEXTS = 64
"""A context is a value of every factor, so that their number multiplies with each factor."""
MOST_TEXTS = 256
"""The most texts a class: each context in all combinations of its phrases."""


def by_contexts(*, with_class: bool) -> Run:
    """Infer each image's context with the classes taking part, or from the context alone."""

    async def run(bench: Bench) -> MethodScores:
        # "a" or "an" goes with the name, as in every other prompt.
        texts = context_texts(
            [with_article(name) for name in bench.classes],
            phrased(within_reach(await contexts(bench), bench)),
            main="a photo of {}",
            thing=with_article(bench.noun),
        )
        scores = perception_scores(
            bench.vectors, bench.encode, texts, logit_scale=bench.logit_scale, with_class=with_class
        )
        return MethodScores(scores=scores, diagnostics={"contexts": float(len(texts.contexts))})

    return run


async def contexts(bench: Bench) -> tuple[ImageFactor, ...]:
    """The contexts that a user of the domain named, else those that a language model names; perhaps none."""
    if bench.factors or bench.llm is None:
        return bench.factors
    (note,) = await answers([QuestionSpec(kind="contexts", classes=bench.classes)], bench)
    return tuple(
        ImageFactor(factor.name, tuple(value.phrases for value in factor.values)) for factor in note.contexts
    )


def within_reach(factors: Sequence[ImageFactor], bench: Bench) -> tuple[ImageFactor, ...]:
    """As many factors, in order, and phrases as their combinations allow; a note names those left out."""
    kept: list[ImageFactor] = []
    for factor in factors:
        if prod(len(each.values) for each in (*kept, factor)) <= MOST_CONTEXTS:
            kept.append(factor)
    if not kept:
        bench.notes.append("no context is known: names alone were left")
    elif left_out := [factor.name for factor in factors if factor not in kept]:
        bench.notes.append(f"contexts left out, as they multiply with the others: {', '.join(left_out)}")
    phrases = max((len(value) for factor in kept for value in factor.values), default=1)
    while phrases > 1 and _texts(kept, phrases) > MOST_TEXTS:
        phrases -= 1
    return tuple(ImageFactor(each.name, tuple(value[:phrases] for value in each.values)) for each in kept)


def phrased(factors: Sequence[ImageFactor]) -> Factors:
    """Factor to value to phrases; a value is known by its first phrase."""
    return {factor.name: {value[0]: value for value in factor.values} for factor in factors}


def _texts(factors: Sequence[ImageFactor], phrases: int) -> int:
    """How many texts a class has if each value keeps so many phrases."""
    return prod(sum(min(phrases, len(value)) for value in factor.values) for factor in factors)


_NEEDS = frozenset({Need.NAMES, Need.LLM})
_SCALE = "up to 256 texts a class"

METHODS = (
    Method(
        key="perception",
        title="PerceptionCLIP, contexts inferred with the classes",
        source="An et al. 2024",
        needs=_NEEDS,
        run=by_contexts(with_class=True),
        scale=_SCALE,
    ),
    Method(
        key="perception-without",
        title="PerceptionCLIP, contexts inferred alone",
        source="An et al. 2024",
        needs=_NEEDS,
        run=by_contexts(with_class=False),
        scale=_SCALE,
    ),
)
