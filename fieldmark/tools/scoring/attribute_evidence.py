"""Evidence of images on each attribute: cosines centred, scaled and matched to the table's value shares."""

import torch
from torch import Tensor

from fieldmark.tools.scoring.side_by_side import side_by_side
from fieldmark.tools.scoring.vectors import CACHE_ELEMENTS, BlockCosines, image_steps, room

NEVER = 1e4
"""Taken off the logits of values that nobody mentioned: exp(-1e4) is exactly 0."""
_LEAST = 1e-6
_LEAST_TOTAL = 1e-30
_SHARE_STEPS = 15


class AttributeEvidence:
    """What the images show, for one state of the table; computed anew for whichever images are asked for.

    Args:
        relative: Relative odds of each value [T, V, N], largest 1 per image and attribute.
        weights: Factor on them that matches the table's value shares [T, V].
        pi: Share of each value in the pool [T, V].
        used: 1 for values that anybody mentioned, else 0 [T, V].
        eps: Bound of the odds.
    """

    def __init__(self, relative: Tensor, weights: Tensor, pi: Tensor, used: Tensor, eps: float) -> None:
        self.pi = pi
        self.images = relative.shape[2]
        self._relative = relative
        self._weights = weights[:, :, None]
        self._slope = (used * (1 - eps) / pi)[:, :, None]
        self._least = (used * eps)[:, :, None]

    def seen(self, images: slice | Tensor) -> Tensor:
        """Posterior over values of some images, a slice or rows [n] [T, V, n]."""
        seen = self._relative[:, :, images] * self._weights
        return seen.div_(seen.sum(1, keepdim=True).clamp_(min=_LEAST_TOTAL))

    def odds(self, seen: Tensor) -> Tensor:
        """Bounded odds e^l of each value given the image [T, V, n], 0 for unused values."""
        return torch.addcmul(self._least, seen, self._slope)

    def logs(self, odds: Tensor) -> Tensor:
        """Their logarithm l [T, V, n], 0 for unused values."""
        return (odds + (self._least == 0)).log_()


class ValueLogits:
    """The scaled logits z of the images, to be matched to the value shares of a table.

    Kept as exp(z), values first and images last: long rows make the products with them fast.

    Args:
        cosines: Cosine of each image with each value's text [N, T, V] float32, in memory or block by block.
        used: 1 for values that anybody mentioned, else 0 [T, V] float32.
        beta: Rms of an attribute's logits after scaling.
        eps: Bound of the odds.
        reference: Cosines of reference images [R, T, V], or None.
        reference_weight: How many images the reference counts for.
        least_pool: Without a reference, fewer images are each read alone.
        memory: Bytes that the logits may take in memory; see `room`.
    """

    def __init__(
        self,
        cosines: Tensor | BlockCosines,
        used: Tensor,
        *,
        beta: float,
        eps: float,
        reference: Tensor | None,
        reference_weight: float,
        least_pool: int,
        memory: int,
    ) -> None:
        if reference is not None:
            reference = reference.to(torch.float32)
        self._used = used
        self._eps = eps
        self._own = _own_weight(cosines.shape[0], reference, reference_weight, least_pool)
        mean = _mixed(cosines, reference, self._own)
        width = used.sum(-1, keepdim=True)
        z, squares = _spread(cosines, mean, used, memory)
        z_reference, squares_reference = (
            (None, None) if reference is None else _spread(reference, mean, used, memory)
        )
        if squares_reference is not None:
            # Too few images without a reference are scaled by their own spread: there is no other.
            squares = self._own * squares + (1 - self._own) * squares_reference
        rms = (squares.sum(-1, keepdim=True) / width.clamp(min=2)).sqrt().clamp(min=_LEAST)
        self._odds = _to_relative_odds(z, beta / rms, used)
        self._odds_reference = z_reference
        if z_reference is not None:
            self._odds_reference = _to_relative_odds(z_reference, beta / rms, used)

    def evidence(self, shares: Tensor, q: Tensor) -> AttributeEvidence:
        """What the images show, given class shares [C] and the table [C, T, V]."""
        pi = torch.einsum("c,ctv->tv", shares, q).clamp(min=1e-4)
        weights = _relative_weights(self._offsets(pi.log()))
        return AttributeEvidence(self._odds, weights, pi, self._used, self._eps)

    def _offsets(self, log_pi: Tensor) -> Tensor:
        """Offsets b [T, V] such that the pool's value shares, mean_n softmax_v(z + b), are exp(log_pi)."""
        if not log_pi.numel() or (self._own == 0 and self._odds_reference is None):
            return log_pi

        def matched(part: slice) -> Tensor:
            b = torch.zeros_like(log_pi[part])
            for _ in range(_SHARE_STEPS):
                share = torch.zeros_like(b)
                if self._own:
                    share += self._own * _mean_share(self._odds[part], b)
                if self._odds_reference is not None:
                    share += (1 - self._own) * _mean_share(self._odds_reference[part], b)
                b += (log_pi[part] - share.clamp(min=_LEAST).log()) * self._used[part]
            return b

        return torch.cat(list(side_by_side(matched, _attribute_steps(self._odds))))


def _attribute_steps(odds: Tensor) -> list[slice]:
    """Slices over attributes; each is looked at many times in a row."""
    attributes, values, images = odds.shape
    return list(image_steps(attributes, values * images, most=CACHE_ELEMENTS))


def _spread(cosines: Tensor | BlockCosines, mean: Tensor, used: Tensor, memory: int) -> tuple[Tensor, Tensor]:
    """Cosines less their means over images and over used values [T, V, N], and the mean square [T, V]."""
    images, attributes, values = cosines.shape
    z = room(attributes, values, images, memory=memory)
    width = used.sum(-1, keepdim=True).clamp(min=1)

    def spread(step: slice) -> Tensor:
        own = (cosines[step] - mean).mul_(used)
        own.sub_(own.sum(-1, keepdim=True).div_(width)).mul_(used)
        z[:, :, step] = own.flatten(1).T.contiguous().view(attributes, values, len(own))
        return own.square_().sum(0)

    squares = torch.zeros(attributes, values)
    steps = image_steps(images, attributes * values, most=CACHE_ELEMENTS)
    if isinstance(cosines, BlockCosines):  # a vector is wider than its cosines; the file is read in order
        steps = image_steps(images, cosines.values.shape[2] + attributes * values)
    for found in side_by_side(spread, steps):
        squares += found
    return z, squares / images


def _to_relative_odds(z: Tensor, scale: Tensor, used: Tensor) -> Tensor:
    """exp(scale z) in the place of z [T, V, N], as ratios to the largest per image and attribute."""
    off = (used - 1) * NEVER

    def transform(part: slice) -> None:
        for step in image_steps(z.shape[2], z[part].numel() // max(1, z.shape[2]), most=CACHE_ELEMENTS):
            own = z[part, :, step]
            own.mul_(scale[part, :, None]).add_(off[part, :, None])
            own.sub_(own.amax(1, keepdim=True)).exp_()

    if z.numel():
        list(side_by_side(transform, _attribute_steps(z)))
    return z


def _relative_weights(b: Tensor) -> Tensor:
    return (b - b.max(dim=-1, keepdim=True).values).exp() if b.numel() else b


def _mean_share(odds: Tensor, b: Tensor) -> Tensor:
    """mean_n softmax_v(z + b) [T, V] from exp(z) [T, V, N]: two products instead of N exponentials."""
    weights = _relative_weights(b)
    total = torch.bmm(weights[:, None, :], odds).clamp_(min=_LEAST_TOTAL)
    summed = torch.bmm(odds, total.reciprocal_().transpose(1, 2)).squeeze(2)
    return weights * summed / odds.shape[2]


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
    return scores - pool_mean(scores, reference, reference_weight=reference_weight)


def pool_mean(
    scores: Tensor | BlockCosines, reference: Tensor | None, *, reference_weight: float = 50.0
) -> Tensor:
    """Mean of scores over the pool, mixed with the reference's as in the table rule; see `centred`."""
    own = _own_weight(scores.shape[0], reference, reference_weight, 2)
    return _mixed(scores, reference, own)


def _own_weight(images: int, reference: Tensor | None, reference_weight: float, least_pool: int) -> float:
    """Weight of the pool's own statistics against the reference's (or against none)."""
    if reference is None:
        return 0.0 if images < least_pool else 1.0
    return images / (images + reference_weight) if images else 0.0


def _mixed(values: Tensor | BlockCosines, reference: Tensor | None, own: float) -> Tensor:
    """Mean over images, mixed with the reference's; zeros where neither counts."""
    mean = own * values.mean(0) if own and values.shape[0] else torch.zeros(values.shape[1:])
    return mean if reference is None else mean + (1 - own) * reference.mean(0)
