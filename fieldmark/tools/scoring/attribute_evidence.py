"""Evidence of images on each attribute: cosines centred, scaled and matched to the table's value shares."""

from dataclasses import dataclass

import torch
from torch import Tensor

NEVER = 1e4
"""Taken off the logits of values that nobody mentioned: exp(-1e4) is exactly 0."""
_LEAST = 1e-6
_SHARE_STEPS = 15


@dataclass(frozen=True)
class AttributeEvidence:
    """What the images show, for one state of the table.

    Attributes:
        pi: Share of each value in the pool [T, V].
        seen: Posterior over values of each image [N, T, V].
        logs: Bounded log odds l of each value given the image [N, T, V], 0 for unused values.
        odds: e^l [N, T, V], 0 for unused values.
    """

    pi: Tensor
    seen: Tensor
    logs: Tensor
    odds: Tensor


class ValueLogits:
    """The scaled logits z of the images, to be matched to the value shares of a table.

    Args:
        cosines: Cosine of each image with each value's text [N, T, V] float32.
        used: 1 for values that anybody mentioned, else 0 [T, V] float32.
        beta: Rms of an attribute's logits after scaling.
        eps: Bound of the odds.
        reference: Cosines of reference images [R, T, V], or None.
        reference_weight: How many images the reference counts for.
        least_pool: Without a reference, fewer images are each read alone.
    """

    def __init__(
        self,
        cosines: Tensor,
        used: Tensor,
        *,
        beta: float,
        eps: float,
        reference: Tensor | None,
        reference_weight: float,
        least_pool: int,
    ) -> None:
        if reference is not None:
            reference = reference.to(torch.float32)
        self._used = used
        self._eps = eps
        self._off = (used - 1) * NEVER
        self._own = _own_weight(len(cosines), reference, reference_weight, least_pool)
        mean = _mixed(cosines, reference, self._own)
        width = used.sum(-1, keepdim=True)

        def spread(values: Tensor) -> Tensor:
            z = (values - mean) * used
            return (z - z.sum(-1, keepdim=True) / width.clamp(min=1)) * used

        z = spread(cosines)
        z_reference = None if reference is None else spread(reference)
        # Too few images without a reference are scaled by their own spread: there is no other.
        squares = z.square().mean(0) if z_reference is None else _mixed(z**2, z_reference**2, self._own)
        rms = (squares.sum(-1, keepdim=True) / width.clamp(min=2)).sqrt().clamp(min=_LEAST)
        self._z = beta * z / rms + self._off
        self._z_reference = None if z_reference is None else beta * z_reference / rms + self._off
        self._odds = _relative_odds(self._z) if self._own else None
        self._odds_reference = None if self._z_reference is None else _relative_odds(self._z_reference)

    def evidence(self, shares: Tensor, q: Tensor) -> "AttributeEvidence":
        """What the images show, given class shares [C] and the table [C, T, V]."""
        pi = torch.einsum("c,ctv->tv", shares, q).clamp(min=1e-4)
        seen = self._seen(pi.log())
        logs = (self._eps + (1 - self._eps) * seen / pi).log() * self._used
        return AttributeEvidence(pi=pi, seen=seen, logs=logs, odds=logs.exp() * self._used)

    def _seen(self, log_pi: Tensor) -> Tensor:
        """softmax_v(z + b) [N, T, V], with b such that the pool's value shares are exp(log_pi)."""
        if not log_pi.numel() or (self._own == 0 and self._z_reference is None):
            return (self._z + log_pi).softmax(-1)
        b = torch.zeros_like(log_pi)
        for _ in range(_SHARE_STEPS):
            share = torch.zeros_like(b)
            if self._odds is not None:
                share += self._own * _mean_share(self._odds, b)
            if self._odds_reference is not None:
                share += (1 - self._own) * _mean_share(self._odds_reference, b)
            b = b + (log_pi - share.clamp(min=_LEAST).log()) * self._used
        return (self._z + b).softmax(-1)


def _relative_odds(z: Tensor) -> Tensor:
    """exp(z) [T, N, V], scaled per image and attribute so that the largest is 1."""
    if not z.numel():
        return z.transpose(0, 1)
    return (z - z.max(dim=-1, keepdim=True).values).exp().transpose(0, 1).contiguous()


def _mean_share(odds: Tensor, b: Tensor) -> Tensor:
    """mean_n softmax_v(z + b) [T, V] from exp(z) [T, N, V]: two products instead of N exponentials."""
    weights = (b - b.max(dim=-1, keepdim=True).values).exp()
    total = torch.bmm(odds, weights[:, :, None]).clamp(min=1e-30)
    summed = torch.bmm(total.reciprocal().transpose(1, 2), odds).squeeze(1)
    return weights * summed / odds.shape[1]


def centred(scores: Tensor, reference: Tensor | None = None, *, reference_weight: float = 50.0) -> Tensor:
    """Scores minus their mean over the pool, per column: what a name term wants.

    Args:
        scores: [N, C].
        reference: Scores of a reference pool [R, C], mixed in as in the table rule.
        reference_weight: How many images the reference counts for.

    Returns:
        [N, C] float32. One image without a reference keeps its scores, less their mean over classes.
    """
    scores = scores.to(torch.float32)
    if reference is None and len(scores) < 2:
        return scores - scores.mean(dim=1, keepdim=True)
    own = _own_weight(len(scores), reference, reference_weight, 2)
    return scores - _mixed(scores, reference, own)


def _own_weight(images: int, reference: Tensor | None, reference_weight: float, least_pool: int) -> float:
    """Weight of the pool's own statistics against the reference's (or against none)."""
    if reference is None:
        return 0.0 if images < least_pool else 1.0
    return images / (images + reference_weight) if images else 0.0


def _mixed(values: Tensor, reference: Tensor | None, own: float) -> Tensor:
    """Mean over images, mixed with the reference's; zeros where neither counts."""
    mean = own * values.mean(0) if own and len(values) else torch.zeros(values.shape[1:])
    return mean if reference is None else mean + (1 - own) * reference.mean(0)
