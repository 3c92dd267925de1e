"""Brings a loss on bags of texts down by small steps, the same ones whenever the seed is the same."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.clip.adapters.bags import Bags, check_labels, matched_texts
from fieldmark.tools.clip.adapters.losses import bags_loss, texts_loss

Loss = Literal["texts", "bags"]
_MOST_SCALE = 100.0
"""CLIP's own scale is held below this while it is trained."""


@dataclass(frozen=True, kw_only=True)
class AdapterRecipe:
    """How an adapter is tuned.

    Attributes:
        loss: "texts" (AdaptCLIPZS, and GIST with `matched`) or "bags"; see `losses`.
        matched: With "texts": how many of its class's texts are right for an image, the nearest ones by the
            untuned vectors; None for all of them.
        steps: Steps of the optimiser (Adam, its rate falling to 0 by a cosine); 0 tunes nothing.
        batch: Images a step.
        rate: The optimiser's first rate.
        decay: Penalty on the squared size of what is changed, which holds the adapter near to doing nothing.
        temperature: What the encoder's own scale is divided by in the loss.
        scale_rate: First rate of the logarithm of the scale, which is then learned beside the rest, as CLIP's
            own is and AdaptCLIPZS's; 0 leaves the scale as it is.
    """

    loss: Loss = "texts"
    matched: int | None = None
    steps: int = 150
    batch: int = 256
    rate: float = 1e-3
    decay: float = 0.1
    temperature: float = 1.0
    scale_rate: float = 0.0

    def __post_init__(self) -> None:
        """Check that it can be followed."""
        sound = self.steps >= 0 and self.batch >= 1 and self.rate > 0 and self.decay >= 0 <= self.scale_rate
        if not sound or not self.temperature > 0 or (self.matched is not None and self.matched < 1):
            raise InputError(
                f"An adapter cannot be tuned by this recipe: {self}.",
                hint="Rate, temperature, batch and matched must be positive, all else not negative.",
            )
        if self.matched is not None and self.loss != "texts":
            raise InputError('Matched texts go with the loss "texts" alone.', hint="Leave matched at None.")


@dataclass(frozen=True)
class Tuned:
    """What came of tuning, beside the parameters.

    Attributes:
        losses: The loss of each step, before it was made, without the penalty.
        scale: What cosines are multiplied with from now on, at most 100 as CLIP's own.
    """

    losses: tuple[float, ...]
    scale: float


def tune(
    parameters: Sequence[Tensor],
    vectors_of: Callable[[Tensor], Tensor],
    penalty: Callable[[], Tensor],
    *,
    untuned: Tensor,
    labels: Tensor,
    bags: Bags,
    scale: float,
    recipe: AdapterRecipe,
    seed: int,
) -> Tuned:
    """Tune parameters in place.

    Args:
        parameters: What is tuned; leaves that want gradients.
        vectors_of: Rows of images `[B]` int64 → their unit vectors `[B, D]` under the present parameters.
        penalty: Squared size of the present change, a scalar.
        untuned: Unit vectors before tuning `[N, D]`, by which texts are matched.
        labels: The class of each image `[N]` int64.
        bags: The texts.
        scale: What cosines are multiplied with: the encoder's `logit_scale`.
        recipe: How.
        seed: Decides which images a step sees.

    Raises:
        InputError: A label has no bag, or the scale is not above 0.
    """
    if not 0 < scale < math.inf:
        raise InputError(f"A logit scale of {scale} cannot be used.", hint="Give the encoder's logit_scale.")
    check_labels(labels, bags)
    matches = None
    if recipe.matched is not None:
        matches = matched_texts(untuned, labels, bags, k=recipe.matched)
    rng = torch.Generator().manual_seed(seed)
    start = scale / recipe.temperature
    more = torch.zeros(
        (), requires_grad=recipe.scale_rate > 0
    )  # logarithm of what the scale is multiplied with
    groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": recipe.rate}]
    if recipe.scale_rate:
        groups.append({"params": [more], "lr": recipe.scale_rate})
    optimiser = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, recipe.steps))
    texts = bags.vectors * start
    losses: list[float] = []
    waiting = torch.zeros(0, dtype=torch.int64)
    for _ in range(recipe.steps):
        if len(waiting) < min(recipe.batch, len(labels)):
            waiting = torch.randperm(len(labels), generator=rng)
        rows, waiting = waiting[: recipe.batch], waiting[recipe.batch :]
        optimiser.zero_grad()
        logits = vectors_of(rows) @ texts.T
        if recipe.scale_rate:
            logits = logits * more.exp()
        if recipe.loss == "bags":
            value = bags_loss(logits, bags.member, labels[rows])
        else:
            own = bags.member[labels[rows]]
            value = texts_loss(logits, own if matches is None else _right(matches[rows], own), own)
        losses.append(float(value.detach()))
        (value + recipe.decay * penalty()).backward()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            more.clamp_(max=math.log(max(_MOST_SCALE, start) / start))
    return Tuned(tuple(losses), start * math.exp(float(more.detach())) if recipe.scale_rate else scale)


def _right(matches: Tensor, own: Tensor) -> Tensor:
    """Matched rows `[B, k]`, -1 for none, as a mask `[B, M]`."""
    mask = torch.zeros(len(own), own.shape[1] + 1, dtype=torch.bool)
    return mask.scatter_(1, matches.where(matches >= 0, own.shape[1]), True)[:, :-1]
