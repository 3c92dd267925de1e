"""ZPE and the plain mean: a pool of templates, many of them bad, weighed by how sure they make the model."""

from itertools import product

from torch import Tensor

from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need, Run
from fieldmark.tools.books.templates import fill, library
from fieldmark.tools.scoring.prompt_grid import encode_grid, grid_scores
from fieldmark.tools.scoring.zpe import prompt_scores, prompt_weights

OTHER_DOMAINS = ("x-ray", "satellite photo", "floor plan")
"""Kinds of pictures of which few tasks have more than one."""
_THINGS = (
    "a red car", "a white house with green walls", "a blue and yellow flag", "a grey cat on a sofa",
    "a brown dog", "a green field at night", "a red carpet in a dark room", "a large black book",
    "a tall white bottle on a black table", "a plate of orange fruit", "a weather chart", "a road map",
)  # fmt: skip
_MENTIONS = (
    "with a small sticker of a {}.", "and a note about the {}.", "near the {} hotel.", "without a {}.",
    "named after the {}.",
)  # fmt: skip
ASIDES = tuple(f"{thing} {mention}" for thing, mention in product(_THINGS, _MENTIONS))
"""Templates of pictures that show something else and mention the class at best."""
THRESHOLD = 0.5
"""The authors' threshold for sets like ImageNet. Theirs for fine-grained ones, 2, often selects none where a
third of the pool is bad: the scores spread then more below the median than above it."""


def pool_of(bench: Bench) -> list[list[str]]:
    """A row for each template of the pool, with its text for each class; `ASIDES` come last.

    A pool gathered without care: templates of the domain, the eighty, variants with the noun and with words
    of other domains, and a third that is about something else.
    """
    good = (*bench.test.templates, *library(bench.noun, OTHER_DOMAINS))
    templates = dict.fromkeys((*good, *ASIDES))
    return [[fill([template], name)[0] for name in bench.classes] for template in templates]


def by_weighed_templates(*, select: bool) -> Run:
    """Weigh the pool's templates; with `select`, only those that stand out."""

    async def run(bench: Bench) -> MethodScores:
        grid = encode_grid(pool_of(bench), bench.encode)
        found = prompt_scores(bench.vectors, grid, logit_scale=bench.logit_scale)
        weights = prompt_weights(found, threshold=THRESHOLD if select else None)[:, None]
        return weighed(bench, grid, weights)

    return run


async def by_all_alike(bench: Bench) -> MethodScores:
    """The mean of the same logits, every template counting the same."""
    grid = encode_grid(pool_of(bench), bench.encode)
    return weighed(bench, grid, grid.new_full((len(grid), 1), 1 / len(grid)))


def weighed(bench: Bench, grid: Tensor, weights: Tensor) -> MethodScores:
    """Score by weighed templates; a figure tells how much weight the bad third of the pool got.

    Args:
        bench: The bench.
        grid: Vectors of the pool `[P, C, D]`.
        weights: Weight of each template `[P, 1]`, or of each template and class `[P, C]`.
    """
    return MethodScores(
        scores=grid_scores(bench.vectors, grid, weights, logit_scale=bench.logit_scale),
        diagnostics={"bad_templates": float(weights[-len(ASIDES) :].sum(0).mean())},
    )


SCALE = "vectors of templates x classes at once: 180 x 15,000 of width 512 are 5.5 GB"
_NAMES = frozenset({Need.NAMES})

METHODS = (
    Method(
        key="pool-mean",
        title="All templates of a pool alike",
        source="Allingham et al. 2023",
        needs=_NAMES,
        run=by_all_alike,
        scale=SCALE,
    ),
    Method(
        key="zpe",
        title="ZPE, weighed templates",
        source="Allingham et al. 2023",
        needs=_NAMES,
        run=by_weighed_templates(select=False),
        transductive=True,
        scale=SCALE,
    ),
    Method(
        key="zpe-select",
        title="ZPE, selected templates",
        source="Allingham et al. 2023",
        needs=_NAMES,
        run=by_weighed_templates(select=True),
        transductive=True,
        scale=SCALE,
    ),
)
