"""Fits the network of a head to annotated vectors: logistic regression, or a small multilayer perceptron."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.concepts.heads.network import HeadNetwork, Layer

Floats = NDArray[np.floating[Any]]

HIDDEN = 16
"""Units of the hidden layer."""
ITERATIONS = 100
"""The most steps of the linear head's optimiser (L-BFGS)."""
MEMORY = 20
"""Steps that it remembers."""
STEPS = 300
"""Full-batch steps of the perceptron's optimiser (Adam)."""
RATE, BETAS = 0.01, (0.9, 0.999)
"""Its first step size, and how slowly it forgets slopes and their squares."""
FREE = 100.0
"""How much less than others a weight along a text's vector is held back: in effect not at all."""
FREE_HIDDEN = 10.0
"""The same before a hidden layer, whose optimiser wants inputs of one size."""


@dataclass(frozen=True)
class Examples:
    """Annotated image vectors.

    Attributes:
        vectors: Unit vectors `[N, D]` float32.
        target: Probability of "in" `[N]` float32.
        clauses: Probability that each clause holds `[N, K]` float32; NaN where it is unknown.
        weight: What each example counts in fitting `[N]` float32, positive: how far it is trusted.
        stands_for: How many images of the pool each stands for `[N]` float32; 0 where it was not drawn at
            random (found by a query, or because it was uncertain). Calibration and threshold look at these.
        names: Content hash of each image, in order; empty where nobody asks.
    """

    vectors: Tensor
    target: Tensor
    clauses: Tensor
    weight: Tensor
    stands_for: Tensor
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.vectors)

    def rows(self, rows: Tensor) -> "Examples":
        """Some of the examples, without their names."""
        return Examples(
            self.vectors[rows],
            self.target[rows],
            self.clauses[rows],
            self.weight[rows],
            self.stands_for[rows],
        )


@dataclass(frozen=True)
class HeadRecipe:
    """How a network is fitted.

    Attributes:
        hidden: Units of the hidden layer; 0 for none.
        decay: Penalty on squared weights, per example.
    """

    hidden: int
    decay: float


def check(examples: Examples) -> None:
    """Refuse examples that nothing can be learned from.

    Raises:
        InputError: There are fewer than two of "in" or of "out", or a number is not finite.
    """
    positive = int((examples.target >= 0.5).sum())
    if positive < 2 or len(examples) - positive < 2:
        raise InputError(
            f"Of {len(examples)} examples {positive} are in: a classifier needs at least two of each kind.",
            hint="Label or annotate more images; queries nearer to the concept find more of them.",
        )
    if not bool(torch.isfinite(examples.vectors).all()):
        raise InputError("A vector holds numbers that are not finite.", hint="Encode the images again.")


def fit(examples: Examples, recipe: HeadRecipe, *, texts: Tensor | None = None, seed: int = 0) -> HeadNetwork:
    """Fit a network by weighted cross-entropy, the concept and its clauses at once.

    "In" and "out" weigh the same in total, whatever their numbers. Targets may be soft.

    The decay pulls weights towards the span of the texts' vectors rather than towards nothing: what the
    encoder says of the clauses by itself (its zero-shot scores) costs nothing to use, and only what the
    examples must teach beyond that is held back. The network takes image vectors alone all the same.
    """
    mean = examples.vectors.mean(0)
    scale = (examples.vectors - mean).square().mean().sqrt().clamp_min(1e-6)
    inputs = (examples.vectors - mean) / scale
    along = _directions(inputs, texts) * (FREE_HIDDEN if recipe.hidden else FREE)
    wide = replace(examples, vectors=torch.cat([inputs, inputs @ along.T], 1))
    goal = _goal(wide)
    network = _perceptron(goal, recipe, seed) if recipe.hidden else _logistic(goal, recipe)
    first = network.hidden or network.output
    # What was learned along the texts, and (x − mean) / scale, is folded into the first layer, so that the
    # head takes vectors as they are.
    width = examples.vectors.shape[1]
    weight = (first.weight[:, :width] + first.weight[:, width:] @ along) / scale
    folded = Layer(weight, first.bias - weight @ mean)
    return replace(network, hidden=folded) if network.hidden else HeadNetwork(folded)


def _directions(inputs: Tensor, texts: Tensor | None) -> Tensor:
    """Directions `[M, D]` along which the inputs spread by one."""
    if texts is None or not len(texts):
        return inputs.new_zeros(0, inputs.shape[1])
    return texts / (inputs @ texts.T).std(0).clamp_min(1e-6)[:, None]


@dataclass(frozen=True)
class _Goal:
    """What both networks minimise: the mean cross-entropy of the concept plus that of its clauses.

    Attributes:
        inputs: `[N, W]` float32.
        targets: Of each clause and, last, of the concept `[N, K + 1]`.
        weights: What each counts `[N, K + 1]`; 0 where a target is unknown.
    """

    inputs: Floats
    targets: Floats
    weights: Floats


def _goal(examples: Examples) -> _Goal:
    target, weight = examples.target, examples.weight
    inside, outside = (weight * target).sum(), (weight * (1 - target)).sum()
    half = weight.sum() / 2
    concept = weight * (
        target * half / inside.clamp_min(1e-6) + (1 - target) * half / outside.clamp_min(1e-6)
    )
    known = ~examples.clauses.isnan()
    share = (weight[:, None] * known).sum(0).clamp_min(1e-6)
    each = weight[:, None] * known / share / max(1, known.shape[1])
    weights = torch.cat([each, (concept / concept.sum())[:, None]], 1)
    targets = torch.cat([examples.clauses.nan_to_num(0.0), target[:, None]], 1)
    return _Goal(examples.vectors.numpy(), targets.numpy(), weights.numpy())


def _logistic(goal: _Goal, recipe: HeadRecipe) -> HeadNetwork:
    """Fit the one minimum there is; in numpy, as so small a problem is mostly overhead with tensors."""
    from scipy.optimize import minimize  # takes a moment, and most who come here only load a head
    from scipy.special import expit

    x, targets, weights = (each.astype(np.float64) for each in (goal.inputs, goal.targets, goal.weights))
    outputs, width = weights.shape[1], x.shape[1]

    def value(flat: Floats) -> tuple[float, Floats]:
        table = flat.reshape(outputs, width + 1)
        weight = table[:, :width]
        logits = x @ weight.T + table[:, width]
        found = (weights * (np.logaddexp(0.0, logits) - targets * logits)).sum()
        slope = weights * (expit(logits) - targets)
        towards = np.concatenate([slope.T @ x + 2 * recipe.decay * weight, slope.sum(0)[:, None]], 1)
        return float(found + recipe.decay * (weight**2).sum()), towards.reshape(-1)

    start = np.zeros(outputs * (width + 1))
    options = {"maxiter": ITERATIONS, "maxcor": MEMORY, "ftol": 1e-9, "gtol": 1e-6}
    found = minimize(value, start, jac=True, method="L-BFGS-B", options=options)
    table = torch.from_numpy(found.x.reshape(outputs, width + 1)).float()
    return HeadNetwork(Layer(table[:, :width].contiguous(), table[:, width].contiguous()))


def _perceptron(goal: _Goal, recipe: HeadRecipe, seed: int) -> HeadNetwork:
    """Fit by Adam (Kingma and Ba 2015) on a cosine schedule; in numpy for the same reason."""
    from scipy.special import expit

    x, targets, weights = goal.inputs, goal.targets, goal.weights
    width, outputs = x.shape[1], targets.shape[1]
    rng = torch.Generator().manual_seed(seed)
    start = torch.randn(recipe.hidden, width, generator=rng) * (2 / width) ** 0.5
    start /= torch.from_numpy(np.sqrt(np.square(x).mean(0))).clamp_min(1.0)  # inputs of any size start alike
    end = torch.randn(outputs, recipe.hidden, generator=rng) * (1 / recipe.hidden) ** 0.5
    first = (start, torch.zeros(recipe.hidden), end, torch.zeros(outputs))
    flat = torch.cat([each.reshape(-1) for each in first]).numpy()
    cuts = np.cumsum([each.numel() for each in first])[:-1]

    def parts(of: Floats) -> tuple[Floats, ...]:
        return tuple(own.reshape(each.shape) for own, each in zip(np.split(of, cuts), first, strict=True))

    a, b, c, d = parts(flat)  # views: they move as `flat` does
    slope, mean, square = np.zeros_like(flat), np.zeros_like(flat), np.zeros_like(flat)
    slope_a, slope_b, slope_c, slope_d = parts(slope)
    for step in range(1, STEPS + 1):
        hidden = np.maximum(x @ a.T + b, 0.0)
        wrong = weights * (expit(hidden @ c.T + d) - targets)
        back = (wrong @ c) * (hidden > 0)
        slope_a[:] = back.T @ x + 2 * recipe.decay * a
        slope_b[:] = back.sum(0)
        slope_c[:] = wrong.T @ hidden + 2 * recipe.decay * c
        slope_d[:] = wrong.sum(0)
        mean += (1 - BETAS[0]) * (slope - mean)
        square += (1 - BETAS[1]) * (slope**2 - square)
        rate = RATE * (1 + math.cos(math.pi * (step - 1) / STEPS)) / 2
        size = np.sqrt(square / (1 - BETAS[1] ** step)) + 1e-8
        flat -= rate / (1 - BETAS[0] ** step) * mean / size
    fitted = [torch.from_numpy(each.copy()) for each in (a, b, c, d)]
    return HeadNetwork(Layer(fitted[2], fitted[3]), Layer(fitted[0], fitted[1]))
