"""A linear probe: multinomial logistic regression on a few labelled image vectors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.support import Support, fitting_support, held_out_shots
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed

GRID = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Values of L2 worth trying on unit vectors."""

_MOST_STEPS = 1000
_TOLERANCE = 1e-9


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


def fit_linear_probe(support: Support, *, classes: int, l2: float | Sequence[float] = GRID) -> LinearProbe:
    """Minimise Σᵢ CE(W·xᵢ + b, yᵢ) + (l2/2)·‖W‖² over the support images, with scikit-learn's L-BFGS.

    This is `LogisticRegression(C=1/l2, max_iter=1000)`: the bias is not held back, and the paper's λ is l2.
    The paper sweeps λ over 96 values from 1e-6 to 1e6 on validation images; its released example has
    C = 0.316, an l2 of 3.16. Its vectors are as the encoder gives them; vectors here are unit, so that values
    do not carry over. In float64 from 0: deterministic, and strictly convex but for a constant on all biases.
    A class without images has no weight to fit and scores -inf.

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
        InputError: If shapes do not fit, a label is no class, an `l2` is not positive, or scikit-learn is not
            installed.
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
    classes = int(labels.max()) + 1
    if classes == 1:  # scikit-learn refuses what is decided before it begins
        return vectors.new_zeros(1, vectors.shape[1]), vectors.new_zeros(1)
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise InputError(
            "The linear probe needs scikit-learn, which is not installed.",
            hint='Install it: pip install "fieldmark[probe]"',
        ) from error
    # Of two classes scikit-learn fits the difference d alone: W = ±d/2, so that ‖W‖² = ‖d‖²/2.
    strength = (2.0 if classes == 2 else 1.0) / l2
    probe = LogisticRegression(C=strength, solver="lbfgs", tol=_TOLERANCE, max_iter=_MOST_STEPS)
    probe.fit(vectors.to(torch.float64).cpu().numpy(), labels.cpu().numpy())
    weight, bias = torch.from_numpy(probe.coef_), torch.from_numpy(probe.intercept_)
    if classes == 2:
        return torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    return weight, bias


async def by_shots(bench: EvalBench) -> MethodScores:
    """Logits of a probe; L2 is chosen on held-out shots, where the authors have validation images."""
    support = Support(bench.train_vectors, bench.train_labels)
    probe = fit_linear_probe(support, classes=len(bench.classes))
    return MethodScores(scores=probe.scores(bench.vectors), diagnostics={"l2": probe.l2})


METHODS = (
    EvalMethod(
        key="linear-probe",
        title="Linear probe",
        source="Radford et al. 2021",
        needs=frozenset({MethodNeed.LABELS}),
        run=by_shots,
        scale="four float64 tables of labelled images × classes: 7,000 classes of four shots",
        version="2",
    ),
)
