"""ProAPO: a prompt book that evolves on a few labelled images, then scores the test images.

The search sees no test image.
"""

from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.estimate import follow_ups
from fieldmark.agents.optimize.options import OptimizeOptions
from fieldmark.agents.optimize.run import run_optimize
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, FollowUps, MethodScores
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.records import PromptBook
from fieldmark.tools.datasets.shots import draw_shots, first
from fieldmark.tools.scoring.books import book_scores

SHOTS = 4
"""Labelled images a class that the search goes by, at most: it is made for so few."""


async def by_evolved_book(bench: EvalBench) -> MethodScores:
    """Search once over all groups of classes, and score by the fittest book."""
    places = draw_shots(bench.train_labels.tolist(), shots=SHOTS, draw=first)
    context = OptimizeContext(
        classes=bench.classes,
        train=tuple(bench.test.train[place] for place in sorted(places)),
        test=(),
        encoder=bench.encoder,
        llm=bench.llm,
        arrays=bench.arrays,
        run=bench.run,
        options=_options(bench.noun, bench.seed),
        progress=bench.progress,
    )
    await run_optimize(context)
    book = bench.run.read("book.json", PromptBook)
    scores = book_scores(book, bench.vectors, bench.encode)
    return MethodScores(scores=bench.logit_scale * scores, diagnostics={"prompts": float(len(book.prompts))})


def look_alikes(test: TestSet) -> tuple[FollowUps, ...]:
    """Groups of classes that the start book confuses."""
    found = follow_ups(test.classes, _options(test.noun, 0), noun=test.noun)
    return tuple(FollowUps(name="groups", most=most, longest=(q,), each_seed=True) for most, q in found)


def _options(noun: str, seed: int) -> OptimizeOptions:
    return OptimizeOptions(noun=noun, seed=seed, passes=1)


METHODS = (
    EvalMethod(
        key="proapo",
        title=f"ProAPO, {SHOTS} shots",
        source="Qu et al. 2025",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM, MethodNeed.LABELS}),
        run=by_evolved_book,
        seeded=True,
        follows=look_alikes,
        scale="holds a vector for each unit of each class: some 40 a class",
        version="2",
    ),
)
