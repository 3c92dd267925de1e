"""One majorise-minimise step on the parameters of Dirichlet laws, and its derivative in closed form."""

import math
from typing import Any

import torch
from torch import Tensor

_NEXT_TO_0 = 1e-11


def dirichlet_step(alpha: Tensor, targets: Tensor) -> Tensor:
    """One majorise-minimise step on Dirichlet parameters.

    Minimises, over each row α given the mean logs y of its data,

        −log Γ(Σ_d α_d) + Σ_d log Γ(α_d) − Σ_d (α_d − 1)·y_d

    from a majorant at the present α: −log Γ(Σα) is replaced by its tangent; log Γ(α_d) is
    −log α_d + log Γ(α_d + 1), and the latter is replaced by the parabola that touches it with curvature
    c = 2 (log Γ(1) − log Γ(α+1) + α·ψ(α+1)) / α² (π²/6 at α = 0). The least point of each entry is the
    positive root of c·α² + b·α − 1 = 0 with b = ψ(α+1) − ψ(Σα) − c·α − y.

    Source: Martin et al. 2024, section 4, and released code.

    Args:
        alpha: Parameters [K, D], positive, float64.
        targets: Mean of log x over each row's data [K, D].

    Returns:
        New parameters [K, D], positive.
    """
    if torch.is_grad_enabled() and (alpha.requires_grad or targets.requires_grad):
        return _DirichletStep.apply(alpha, targets)  # pyright: ignore[reportReturnType] - apply has no type
    return _step(alpha, targets)[0]


class _DirichletStep(torch.autograd.Function):
    """The step with the derivative of its formula: torch's own way through it takes five times as long."""

    @staticmethod
    def forward(ctx: Any, alpha: Tensor, targets: Tensor) -> Tensor:
        new, curvature, root = _step(alpha, targets)
        ctx.save_for_backward(alpha, curvature, root, new)
        return new

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        """With c·a² + b·a − 1 = 0 for the new a: da = −a·(a·dc + db) / √(b² + 4c).

        The derivatives are dc/dα = 2·(ψ′(α+1) − c)/α and db/dα = c − ψ′(α+1) − ψ′(Σα), its last term for each
        α of the row, and db/dy = −1.
        """
        alpha, curvature, root, new = ctx.saved_tensors
        to_targets = grads[0] * new / root
        bend = torch.polygamma(1, alpha + 1).sub_(curvature)
        own = (1 - 2 * new / alpha).masked_fill_(alpha <= _NEXT_TO_0, 1.0).mul_(bend).mul_(to_targets)
        whole = torch.polygamma(1, alpha.sum(dim=-1, keepdim=True))
        return own.add_(whole * to_targets.sum(dim=-1, keepdim=True)), to_targets


def _step(alpha: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The new parameters, c, and √(b² + 4c) `[K, D]` each."""
    above = alpha + 1
    slope = torch.digamma(above)
    curvature = torch.lgamma(above).addcmul_(alpha, slope, value=-1).div_(alpha.square()).abs_().mul_(2)
    curvature.masked_fill_(alpha <= _NEXT_TO_0, math.pi**2 / 6)
    linear = slope.sub_(targets).addcmul_(curvature, alpha, value=-1)
    linear.sub_(torch.digamma(alpha.sum(dim=-1, keepdim=True)))
    root = linear.square().add_(curvature, alpha=4).sqrt_()
    return (root - linear).div_(curvature).mul_(0.5), curvature, root
