"""A linear probe: multinomial logistic regression on a few labelled image vectors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.scoring.fitting import Support, fitting_support, held_out_shots

GRID = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Values of L2 worth trying on unit vectors."""

_MOST_STEPS = 1000
_TOLERANCE = 1e-9
_LEAST_CHANGE = 1e-12


@dataclass(frozen=True)
class LinearProbe:
    """A fitted probe.

    Attributes:
        weight: [C, D] float32.
        bias: [C] float32; -inf for a class without images.
        l2: The L2 weight it was fitted with.
    """

    weight: Tensor
    bias: Tensor
    l2: float

    def scores(self, image_vectors: Tensor) -> Tensor:
        """Logits [N, C], float32, of unit image vectors [N, D]; -inf for classes without images."""
        return torch.addmm(self.bias, image_vectors.to(torch.float32), self.weight.T)


def linear_probe_scores(
    image_vectors: Tensor, support: Support, *, classes: int, l2: float | Sequence[float] = GRID
) -> Tensor:
    """Fit a probe on labelled images and score others; see `fit_linear_probe`.

    Args:
        image_vectors: Unit image vectors [N, D].
        support: Labelled images.
        classes: How many classes there are.
        l2: L2 weight, or several to choose from.

    Returns:
        Logits [N, C], float32.

    Raises:
        InputError: See `fit_linear_probe`.
    """
    probe = fit_linear_probe(support, classes=classes, l2=l2)
    if image_vectors.ndim != 2 or image_vectors.shape[1] != probe.weight.shape[1]:
        raise InputError(
            f"Image vectors {tuple(image_vectors.shape)} do not fit support vectors of width "
            f"{probe.weight.shape[1]}.",
            hint="Give [N, D] from the same encoder.",
        )
    return probe.scores(image_vectors)


def fit_linear_probe(support: Support, *, classes: int, l2: float | Sequence[float] = GRID) -> LinearProbe:
    """Minimise Σᵢ CE(W·xᵢ + b, yᵢ) + (l2/2)·‖W‖² over the support images.

    The bias is not held back. This is scikit-learn's `LogisticRegression(C=1/l2)`, which Radford et al.
    use with L-BFGS and at most 1,000 steps. Theirs is on vectors as the encoder gives them, with C = 0.316
    for few shots or swept on validation images; vectors here are unit, so that values of l2 do not carry
    over. L-BFGS in float64 from 0: deterministic, and strictly convex but for a constant on all biases. A
    class without images has no weight to fit and scores -inf.

    Several values of `l2`: some images of each class are held out (`held_out_shots`), the value with the
    best top-1 on those wins, then the least mean cross-entropy, then the largest; the probe is fitted anew
    on all images. With one image per class nothing can be held out and the largest value is used.

    Source: Radford et al. 2021, section 3.2 and appendix A.3.

    Args:
        support: Labelled images; vectors [S, D].
        classes: How many classes there are.
        l2: L2 weight, positive; or several to choose from.

    Returns:
        The probe.

    Raises:
        InputError: If shapes do not fit, a label is no class, or an `l2` is not positive.
    """
    vectors, labels = fitting_support(support, classes, support.vectors.shape[-1])
    values = sorted({float(l2)} if isinstance(l2, (int, float)) else map(float, l2), reverse=True)
    if not values or values[-1] <= 0:
        raise InputError(f"L2 weights {l2} are not positive.", hint="Give one or more numbers above 0.")
    chosen = values[0] if len(values) == 1 else _choose(vectors, labels, values)
    present, own = labels.unique(return_inverse=True)
    weight, bias = _fit(vectors, own, chosen)
    full = LinearProbe(
        weight=vectors.new_zeros(classes, vectors.shape[1]),
        bias=vectors.new_full((classes,), -torch.inf),
        l2=chosen,
    )
    full.weight[present] = weight.to(torch.float32)
    full.bias[present] = bias.to(torch.float32)
    return full


def _choose(vectors: Tensor, labels: Tensor, values: Sequence[float]) -> float:
    """The value that does best on held-out images; `values` descend."""
    held_out = held_out_shots(labels)
    if not bool(held_out.any()):
        return values[0]
    kept, own = labels[~held_out].unique(return_inverse=True)
    # Every class keeps an image, so that positions among the kept classes serve for the held-out ones.
    truth = torch.searchsorted(kept, labels[held_out])

    def quality(value: float) -> tuple[float, float]:
        weight, bias = _fit(vectors[~held_out], own, value)
        logits = torch.addmm(bias, vectors[held_out].to(torch.float64), weight.T)
        right = (logits.argmax(dim=1) == truth).to(torch.float64).mean()
        return float(right), -float(torch.nn.functional.cross_entropy(logits, truth))

    return max(values, key=quality)


def _fit(vectors: Tensor, labels: Tensor, l2: float) -> tuple[Tensor, Tensor]:
    """Weight [C, D] and bias [C] in float64; every class 0 to C - 1 has an image."""
    x = vectors.to(torch.float64)
    classes = int(labels.max()) + 1
    parameters = x.new_zeros(classes, x.shape[1] + 1, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [parameters],
        max_iter=_MOST_STEPS,
        tolerance_grad=_TOLERANCE * len(x),
        tolerance_change=_LEAST_CHANGE,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        weight, bias = parameters[:, :-1], parameters[:, -1]
        logits = torch.addmm(bias, x, weight.T)
        value = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
        value = value + 0.5 * l2 * weight.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    fitted = parameters.detach()
    return fitted[:, :-1], fitted[:, -1]
