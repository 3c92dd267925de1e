"""CARPRT: templates weighed for each class by how well they fit the images taken for that class."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.scoring.prompt_grid import encode_grid, grid_scores
from fieldmark.tools.scoring.vectors import Encode, image_steps


def carprt_scores(
    image_vectors: Tensor,
    encode: Encode,
    prompts: Sequence[Sequence[str]],
    *,
    logit_scale: float,
    temperature: float = 1.0,
) -> Tensor:
    """Mean of the templates' logits, weighed for each class by `carprt_weights`.

        logits[n,c] = sum_p w[p,c] l[n,p,c],  l[n,p,c] = s * cos(image n, text of template p and class c)

    The texts of a class are not merged into a vector of length one.

    Source: "CARPRT: Class-Aware Zero-Shot Prompt Reweighting", ICLR 2026, method section, and released code.

    Args:
        image_vectors: Unit image vectors [N, D], N > 0; they are the pool that the weights come from.
        encode: Texts to vectors [M, D]; called once, with each distinct text once.
        prompts: One row per template, each with one text per class.
        logit_scale: The encoder's factor on cosines (s): it decides how sharp the weights are.
        temperature: See `carprt_weights`.

    Returns:
        Scores [N, C], float32.

    Raises:
        InputError: If the prompts are no grid, or there are no images.
    """
    grid = encode_grid(prompts, encode)
    weights = carprt_weights(image_vectors, grid, logit_scale=logit_scale, temperature=temperature)
    return grid_scores(image_vectors, grid, weights, logit_scale=logit_scale)


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
