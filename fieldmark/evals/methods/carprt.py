"""CARPRT: the pool of templates, weighed for each class by the images taken for it."""

from fieldmark.evals.methods.zpe import SCALE, pool_of, weighed
from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need
from fieldmark.tools.scoring.carprt import carprt_weights
from fieldmark.tools.scoring.prompt_grid import encode_grid


async def by_class_weights(bench: Bench) -> MethodScores:
    """Weigh the pool's templates class by class."""
    grid = encode_grid(pool_of(bench), bench.encode)
    return weighed(bench, grid, carprt_weights(bench.vectors, grid, logit_scale=bench.logit_scale))


METHODS = (
    Method(
        key="carprt",
        title="CARPRT, templates weighed a class",
        source="CARPRT, ICLR 2026",
        needs=frozenset({Need.NAMES}),
        run=by_class_weights,
        transductive=True,
        scale=SCALE,
    ),
)
