"""A pool of templates, many of them bad: texts and vectors for each class, and class scores by weights."""

from collections.abc import Sequence
from itertools import product

from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import MethodScores
from fieldmark.tools.books.templates import fill, library
from fieldmark.tools.scoring.vectors import Encode, encode_groups

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
SCALE = "vectors of templates x classes at once: 180 x 15,000 of width 512 are 5.5 GB"


def encode_grid(prompts: Sequence[Sequence[str]], encode: Encode) -> Tensor:
    """Unit vectors of the text of every template and class.

    Args:
        prompts: One row per template, each with one text per class, all in the same order of classes.
        encode: Texts to vectors [M, D]; called once, with each distinct text once.

    Returns:
        Unit vectors [P, C, D], float32.

    Raises:
        InputError: If there is no template, or the rows differ in length or are empty.
        ModelError: If the encoder does not return one row of finite numbers per text.
    """
    texts = encode_groups(prompts, encode)
    if len({len(row) for row in prompts}) != 1:
        raise InputError(
            f"The templates have {sorted({len(row) for row in prompts})} texts.",
            hint="Give each template one text per class, in the same order of classes.",
        )
    return texts.vectors[texts.text].view(len(prompts), len(prompts[0]), -1)


def grid_scores(image_vectors: Tensor, grid: Tensor, weights: Tensor, *, logit_scale: float) -> Tensor:
    """Weighted sum over templates of the logits: sum_p w[p,c] * s * (f . t[p,c]).

    A weighted sum of logits is the logit of the weighted sum of vectors, which is **not** scaled back to
    length one: a class whose texts disagree scores lower.

    Args:
        image_vectors: Unit image vectors [N, D].
        grid: Unit text vectors [P, C, D].
        weights: Weight of each template [P, 1], or of each template and class [P, C].
        logit_scale: The encoder's factor on cosines (s).

    Returns:
        Scores [N, C], float32.
    """
    classes = grid.new_zeros(grid.shape[1:])
    # One template at a time: the product of weights and vectors would be as large as the grid.
    for vectors, weight in zip(grid, weights.to(grid.dtype), strict=True):
        classes.addcmul_(vectors, weight[:, None])
    return image_vectors.to(grid.dtype) @ (logit_scale * classes).T


def pool_of(bench: EvalBench) -> list[list[str]]:
    """A row for each template of the pool, with its text for each class; `ASIDES` come last.

    A pool gathered without care: templates of the domain, the eighty, variants with the noun and with words
    of other domains, and a third that is about something else.
    """
    good = (*bench.test.templates, *library(bench.noun, OTHER_DOMAINS))
    templates = dict.fromkeys((*good, *ASIDES))
    return [[fill([template], name)[0] for name in bench.classes] for template in templates]


def weighed(bench: EvalBench, grid: Tensor, weights: Tensor) -> MethodScores:
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
