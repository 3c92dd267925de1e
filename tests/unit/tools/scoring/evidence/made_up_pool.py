"""A made-up pool: images that show attributes, names that an encoder knows or not, votes with mistakes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.tools.scoring.table import TableOptions, TableResult, table_rule

CLASSES, IMAGES, ATTRIBUTES, VALUES, WIDTH = 12, 20, 10, 3, 32


@dataclass
class Pool:
    """Vectors `[N, D]`, name cosines `[N, C]`, value cosines `[N, T, V]`, votes `[C, T, V]`, truth `[N]`."""

    vectors: Tensor
    names: Tensor
    cosines: Tensor
    counts: Tensor
    truth: Tensor
    steered: TableResult | None = None

    def votes(self, attributes: Tensor | None, names: Tensor | None) -> Tensor:
        """The table rule on these attributes; see `combine.SteeredVotes`."""
        which = torch.arange(ATTRIBUTES) if attributes is None else attributes
        result = table_rule(
            self.cosines[:, which], self.counts[:, which], None, TableOptions(share="pool"), name_scores=names
        )
        if names is None:
            return result.scores
        self.steered = result
        return result.scores - names

    def top1(self, scores: Tensor) -> float:
        """Share of images whose best class is the true one."""
        return float((scores.argmax(1) == self.truth).float().mean())


def made_up(*, seed: int, known: float = 1.0, seen: float = 1.0, mistakes: float = 0.1) -> Pool:
    """Draw a pool.

    Args:
        seed: Decides everything.
        known: How much names say of images, 0 for nothing.
        seen: How much images show of their attributes, 0 for nothing.
        mistakes: Share of wrong votes.
    """
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    truth = torch.arange(CLASSES).repeat_interleave(IMAGES)
    count = len(truth)
    centres = normal(CLASSES, WIDTH)
    vectors = torch.nn.functional.normalize(centres[truth] + 0.5 * normal(count, WIDTH), dim=1)
    own = torch.nn.functional.one_hot(truth, CLASSES).float()
    names = 0.2 + 0.02 * (known * 3 * own + normal(count, CLASSES))
    table = torch.randint(VALUES, (CLASSES, ATTRIBUTES), generator=rng)
    shows = torch.nn.functional.one_hot(table[truth], VALUES).float()
    cosines = 0.2 + 0.02 * (seen * 3 * shows + normal(count, ATTRIBUTES, VALUES))
    wrong = torch.rand(CLASSES, ATTRIBUTES, generator=rng) < mistakes
    other = torch.randint(VALUES, (CLASSES, ATTRIBUTES), generator=rng)
    counts = torch.nn.functional.one_hot(torch.where(wrong, other, table), VALUES).float()
    return Pool(vectors, names, cosines, counts, truth)
