"""CARPRT: templates weighed for each class by how well they fit the images taken for that class."""

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.template_pool import SCALE, encode_grid, pool_of, weighed
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.scoring.vectors import image_steps


def carprt_weights(
    image_vectors: Tensor, grid: Tensor, *, logit_scale: float, temperature: float = 1.0
) -> Tensor:
    """Weight of each template for each class.

        N[p,c]     = images n with argmax_c' l[n,p,c'] = c: those taken for c under template p alone
        score[p,c] = mean over N[p,c] of max_c' l[n,p,c'];  0 where N[p,c] is empty
        w[p,c]     = softmax over p of score[p,c] / temperature

    Unlike ZPE, nothing is subtracted from the logits. As in the released code, a template under which no
    image is taken for c has the score 0: far below any logit of CLIP (about 20 to 30), so that it counts for
    next to nothing, but not where an encoder's logits are small or negative. A class that no image is taken
    for under any template weighs all templates alike.

    Source: as `carprt_scores`.

    Args:
        image_vectors: Unit image vectors [N, D], N > 0.
        grid: Unit text vectors [P, C, D].
        logit_scale: The encoder's factor on cosines (s).
        temperature: Above 0.

    Returns:
        Weights [P, C], float32; each class's sum to 1.

    Raises:
        InputError: If there are no images, or `temperature` is not above 0.
    """
    if not len(image_vectors):
        raise InputError("There are no images to weigh templates by.", hint="Give at least one image vector.")
    if not temperature > 0:
        raise InputError(f"Temperature {temperature}.", hint="Use a temperature above 0.")
    prompts, classes, width = grid.shape
    columns = grid.reshape(prompts * classes, width).T
    row_starts = torch.arange(prompts) * classes
    total = torch.zeros(prompts * classes, dtype=torch.float64)
    images = torch.zeros(prompts * classes, dtype=torch.int64)
    for step in image_steps(len(image_vectors), prompts * classes):
        cosines = image_vectors[step].to(grid.dtype) @ columns
        best, winner = cosines.view(-1, prompts, classes).max(2)
        cells = (row_starts + winner).flatten()
        total.index_add_(0, cells, best.flatten().to(torch.float64))
        images += torch.bincount(cells, minlength=len(images))
    scores = logit_scale * total / images.clamp(min=1)
    return (scores / temperature).view(prompts, classes).softmax(0).to(torch.float32)


async def by_class_weights(bench: EvalBench) -> MethodScores:
    """Weigh the pool's templates class by class."""
    grid = encode_grid(pool_of(bench), bench.encode)
    return weighed(bench, grid, carprt_weights(bench.vectors, grid, logit_scale=bench.logit_scale))


METHODS = (
    EvalMethod(
        key="carprt",
        title="CARPRT, templates weighed a class",
        source="CARPRT, ICLR 2026",
        needs=frozenset({MethodNeed.NAMES}),
        run=by_class_weights,
        transductive=True,
        scale=SCALE,
        version="2",
    ),
)
