"""The inductive field guide: votes and names score one image at a time, centred by a fixed reference."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.tools.scoring.table import TableOptions, centred, table_rule

OPTIONS = TableOptions(
    beta=3.0, eps=0.05, eta=0.1, rounds=0, share="mean", name_weight=1.0, reference_weight=math.inf
)
"""Constants of the table rule for one image alone. Caps that keep the correction loop from believing its
own mistakes only blunt a single pass. Chosen on a species book that no reported figure comes from."""
LEAST_NAME_WEIGHT = 0.3
"""Weight of names that the encoder may never have seen."""
AT_ONCE = 4096


@dataclass(frozen=True)
class InductiveGuide:
    """All that scoring by a field guide needs, without the texts' encoder.

    Attributes:
        values: Vector of each value [T, V, D] float32; T is 0 where nobody answered anything.
        counts: Votes [C, T, V] float32.
        names: Unit vectors of the class names [C, D] float32.
        reference: Unit vectors of images that centre and scale the scores [R, D] float32.
        scale: What the encoder multiplies cosines with.
        name_weight: Weight of the names' own score; None goes by how sure the names are.
    """

    values: Tensor
    counts: Tensor
    names: Tensor
    reference: Tensor
    scale: float
    name_weight: float | None = None

    def scores(self, vectors: Tensor) -> Tensor:
        """Class scores [N, C] float32 of unit image vectors [N, D]; no image sees another."""
        parts = [self._scores(some) for some in vectors.split(AT_ONCE)]
        return torch.cat(parts) if parts else vectors.new_zeros(0, len(self.names))

    def _scores(self, vectors: Tensor) -> Tensor:
        own, theirs = vectors @ self.names.T, self.reference @ self.names.T
        weight = name_weight(own, scale=self.scale, given=self.name_weight)
        names = self.scale * centred(own, theirs, reference_weight=math.inf) * weight[:, None]
        if not len(self.values):
            return names
        cosines, pooled = self._cosines(vectors), self._cosines(self.reference)
        return table_rule(cosines, self.counts, None, OPTIONS, name_scores=names, reference=pooled).scores

    def _cosines(self, vectors: Tensor) -> Tensor:
        return (vectors @ self.values.flatten(0, 1).T).unflatten(1, self.values.shape[:2])


def confidence(cosines: Tensor, *, scale: float) -> Tensor:
    """How sure the encoder is of its best name for each image `[N]`, by cosines with the names `[N, C]`."""
    return (scale * cosines).softmax(dim=1).max(dim=1).values


def name_weight(cosines: Tensor, *, scale: float, given: float | None, pooled: bool = False) -> Tensor:
    """How much the names' own score counts for each image `[N]`, or for the whole pool `[1]`.

    Where none is given it is the encoder's confidence in its best name: a name that it knows shall not be
    outvoted by what somebody wrote about it. Confidence is that of the trained scale, which is about how
    often zero-shot CLIP is right (Minderer et al. 2021, section 4).

    Args:
        cosines: Of images and names `[N, C]`.
        scale: What the encoder multiplies cosines with.
        given: The weight that the options say.
        pooled: Whether one weight, by the mean confidence, is to do for all images.
    """
    if given is not None:
        return cosines.new_full((len(cosines),), given)
    sure = confidence(cosines, scale=scale)
    return (sure.mean(dim=0, keepdim=True) if pooled else sure).clamp(min=LEAST_NAME_WEIGHT)
