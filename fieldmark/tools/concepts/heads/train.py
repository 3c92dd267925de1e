"""Fits the network of a head to annotated vectors: logistic regression, or a small multilayer perceptron."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fieldmark.errors import InputError
from fieldmark.tools.concepts.heads.network import HeadNetwork, Layer

HIDDEN = 16
"""Units of the hidden layer."""
ITERATIONS = 100
"""The most steps of the linear head's optimiser (L-BFGS)."""
MEMORY = 20
"""Steps that it remembers."""
STEPS = 300
"""Full-batch steps of the perceptron's optimiser."""
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
    loss = _Loss(wide)
    network = _perceptron(wide, recipe, loss, seed) if recipe.hidden else _logistic(wide, recipe, loss)
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


class _Loss:
    """Mean over examples of the concept's cross-entropy plus the mean of its clauses'."""

    def __init__(self, examples: Examples) -> None:
        target, weight = examples.target, examples.weight
        inside, outside = (weight * target).sum(), (weight * (1 - target)).sum()
        half = weight.sum() / 2
        self.weight = weight * (
            target * half / inside.clamp_min(1e-6) + (1 - target) * half / outside.clamp_min(1e-6)
        )
        self.weight = self.weight / self.weight.sum()
        known = ~examples.clauses.isnan()
        share = (weight[:, None] * known).sum(0).clamp_min(1e-6)
        each = weight[:, None] * known / share / max(1, known.shape[1])
        self.weights = torch.cat([each, self.weight[:, None]], 1)
        self.targets = torch.cat([examples.clauses.nan_to_num(0.0), target[:, None]], 1)

    def __call__(self, logits: Tensor) -> Tensor:
        each = functional.binary_cross_entropy_with_logits(logits, self.targets, reduction="none")
        return (self.weights * each).sum()


def _logistic(examples: Examples, recipe: HeadRecipe, loss: _Loss) -> HeadNetwork:
    """Fit the one minimum there is; in numpy, as so small a problem is mostly overhead with tensors."""
    from scipy.optimize import minimize  # takes a moment, and most who come here only load a head
    from scipy.special import expit

    x = examples.vectors.double().numpy()
    weights, targets = loss.weights.double().numpy(), loss.targets.double().numpy()
    outputs, width = weights.shape[1], x.shape[1]

    def value(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
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


def _perceptron(examples: Examples, recipe: HeadRecipe, loss: _Loss, seed: int) -> HeadNetwork:
    width, outputs = examples.vectors.shape[1], examples.clauses.shape[1] + 1
    rng = torch.Generator().manual_seed(seed)
    start = torch.randn(recipe.hidden, width, generator=rng) * (2 / width) ** 0.5
    start /= examples.vectors.square().mean(0).sqrt().clamp_min(1.0)  # inputs of any size start alike
    end = torch.randn(outputs, recipe.hidden, generator=rng) * (1 / recipe.hidden) ** 0.5
    parameters = [start, torch.zeros(recipe.hidden), end, torch.zeros(outputs)]
    for parameter in parameters:
        parameter.requires_grad_()
    a, b, c, d = parameters
    optimiser = torch.optim.Adam(parameters, lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        optimiser.zero_grad()
        logits = torch.addmm(d, torch.addmm(b, examples.vectors, a.T).relu(), c.T)
        value = loss(logits) + recipe.decay * (a.square().sum() + c.square().sum())
        value.backward()
        optimiser.step()
        schedule.step()
    return HeadNetwork(Layer(c.detach(), d.detach()), Layer(a.detach(), b.detach()))
