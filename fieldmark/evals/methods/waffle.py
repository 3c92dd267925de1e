"""WaffleCLIP: random words and characters in the place of descriptors, the control for every description."""

from collections.abc import Mapping, Sequence

from fieldmark.evals.methods.knowledge import descriptors
from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need
from fieldmark.tools.scoring.waffle import waffle_scores

_SOURCE = "Roth et al. 2023"


async def by_random_words(bench: Bench) -> MethodScores:
    """Random words and characters, the same for all classes."""
    return _scored(bench)


async def under_a_concept(bench: Bench) -> MethodScores:
    """The same after what all classes are: "a photo of a bird: a wren, which has …"."""
    concept = bench.test.concept or bench.noun
    return _scored(bench, concept=concept)


async def among_descriptors(bench: Bench) -> MethodScores:
    """Random ones and real descriptors mixed, as many a class as without."""
    marks = await descriptors(bench)
    return _scored(bench, real=dict(zip(bench.classes, marks, strict=True)))


def _scored(
    bench: Bench, *, concept: str | None = None, real: Mapping[str, Sequence[str]] | None = None
) -> MethodScores:
    scores = waffle_scores(
        bench.vectors, bench.encode, bench.classes, seed=bench.seed, concept=concept, descriptors=real
    )
    return MethodScores(scores=bench.logit_scale * scores)


METHODS = (
    Method(
        key="waffle",
        title="WaffleCLIP, random words",
        source=_SOURCE,
        needs=frozenset({Need.NAMES}),
        run=by_random_words,
        seeded=True,
    ),
    Method(
        key="waffle-concept",
        title="WaffleCLIP, random words under a concept",
        source=_SOURCE,
        needs=frozenset({Need.NAMES}),
        run=under_a_concept,
        seeded=True,
    ),
    Method(
        key="waffle-descriptors",
        title="WaffleCLIP, random words among descriptors",
        source=_SOURCE,
        needs=frozenset({Need.NAMES, Need.LLM}),
        run=among_descriptors,
        seeded=True,
    ),
)
