"""A method of one's own, measured beside the field's: class names seen from several sides."""

from pathlib import Path

from fieldmark import (
    Aviary,
    EvalBench,
    EvalMethod,
    EvalOptions,
    Evaluator,
    MethodNeed,
    MethodScores,
    ensemble_scores,
)

VIEWS = ("from the side", "from the front", "from above", "in flight")


async def by_views(bench: EvalBench) -> MethodScores:
    """Score by the unit mean of the four texts of each class."""
    texts = [[f"a photo of a {name}, seen {view}." for view in VIEWS] for name in bench.classes]
    scores = ensemble_scores(bench.vectors, bench.encode, texts, logit_scale=bench.logit_scale)
    return MethodScores(scores=scores)


METHOD = EvalMethod(
    key="views",
    title="Four views",
    source="an example",
    needs=frozenset({MethodNeed.NAMES}),
    run=by_views,
)

if __name__ == "__main__":
    # On the command line: fieldmark eval --data aviary --methods clip,waffle,my_method.py:METHOD
    options = EvalOptions(methods=("clip", "waffle", f"{Path(__file__)}:METHOD"), seeds=1)
    result = Evaluator(data=Aviary(species=8, images=5), options=options).run()
    for row in result.rows:
        print(f"{row.method:8} top-1 {row.top1:.2f}, 95% interval {row.ci95}")
    print("the report:", Path(result.run) / "report.html")
