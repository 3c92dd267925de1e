"""ProAPO: a prompt book that evolves on a few labelled images, then scores the test images.

The search sees no test image.
"""

from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.options import OptimizeOptions
from fieldmark.agents.optimize.run import run_optimize
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
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
        options=OptimizeOptions(noun=bench.noun, seed=bench.seed, passes=1),
        progress=bench.progress,
    )
    await run_optimize(context)
    book = bench.run.read("book.json", PromptBook)
    scores = book_scores(book, bench.vectors, bench.encode)
    return MethodScores(scores=bench.logit_scale * scores, diagnostics={"prompts": float(len(book.prompts))})


METHODS = (
    EvalMethod(
        key="proapo",
        title=f"ProAPO, {SHOTS} shots",
        source="Qu et al. 2025",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM, MethodNeed.LABELS}),
        run=by_evolved_book,
        seeded=True,
        scale="holds a vector for each unit of each class: some 40 a class",
        version="2",
    ),
)
