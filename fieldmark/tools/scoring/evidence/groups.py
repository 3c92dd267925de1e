"""Images grouped by class: Gaussians over image vectors, with the evidence as every image's prior."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.tools.scoring.evidence.bursts import Bursts

LIKENESS = 0.5
"""Weight of the log-density of image vectors beside the evidence."""
RIDGE = 0.35
"""Share of the within-class covariance that is spherical."""
PRIOR_IMAGES = 1.0
"""Images at the pool's mean that a class mean starts from."""
STEPS = 20


@dataclass(frozen=True)
class Groups:
    """Which images lie together.

    Attributes:
        shares: How much each image belongs to each class's group [N, C] float32; rows sum to 1.
        density: Log-density of each image under each group without that image [N, C] float32.
    """

    shares: Tensor
    density: Tensor

    def means(self, values: Tensor) -> Tensor:
        """Mean of values [N, K] over each group [C, K]."""
        return (self.shares / self.shares.sum(0).clamp(min=1e-6)).T @ values

    def pooled(self, values: Tensor) -> Tensor:
        """For each image the mean of values [N, K] over its groups, by its shares in them [N, K]."""
        return self.shares @ self.means(values)


def grouped(vectors: Tensor, evidence: Tensor, bursts: Bursts | None = None) -> Groups:
    """Group images around class means by expectation maximisation, one covariance shared by all classes.

    With x the centred vectors, r the shares and n_c = sum_n r[n,c], twenty times:

        mu_c   = sum_n r[n,c] x_n / (n_c + 1)
        Sigma  = .65 within-class scatter + .35 (trace/D) I
        d[n,c] = -1/2 ( |x_n - mu_c|²_Sigma ((n_c+1)/(n_c+1-r[n,c]))² / v + D log v ),
        v      = 1 + 1/(n_c+1-r[n,c])
        r      = softmax(evidence + .5 d)

    The factor takes image n out of the mean that it is compared with; v widens small groups. The images of a
    burst have one place: x_n is then their mean in d, which counts as e = `Bursts.looks` images and takes all
    m of them out of the group's mean: m r stands for r there, v = 1 + e/(n_c+1-m r), and |.|² is multiplied
    by e.

    Args:
        vectors: Unit image vectors [N, D] float32.
        evidence: Log-odds of each class [N, C] float32; -inf for classes that an image cannot be. The same
            for all images of a burst.
        bursts: Which images share a label; None where none do.
    """
    x = vectors - vectors.mean(0)
    width = x.shape[1]
    shares = evidence.softmax(1)
    density = torch.zeros_like(evidence)
    if len(x) < 2:
        return Groups(shares=shares, density=density)
    pull, eye = x.T @ x, torch.eye(width)
    place = x if bursts is None else bursts.mean(x)
    members = 1.0 if bursts is None else bursts.sizes[:, None]
    worth = 1.0 if bursts is None else bursts.looks[:, None]
    for _ in range(STEPS):
        count = shares.sum(0)
        sums = shares.T @ x
        mean = sums / (count[:, None] + PRIOR_IMAGES)
        cross = mean.T @ sums
        within = (pull - cross - cross.T + (mean * count[:, None]).T @ mean) / len(x)
        within = (1 - RIDGE) * within + (RIDGE * within.trace() / width + 1e-9) * eye
        root = torch.linalg.cholesky(torch.linalg.inv(within))
        a, m = place @ root, mean @ root
        far = a.square().sum(1)[:, None] + m.square().sum(1)[None] - 2 * a @ m.T
        size = count + PRIOR_IMAGES
        rest = (size[None] - members * shares).clamp(min=0.3)
        wide = 1 + worth / rest
        apart = worth * far.clamp(min=0) * (size[None] / rest).square()
        density = -0.5 * (apart / wide + width * wide.log())
        shares = (evidence + LIKENESS * density).softmax(1)
    return Groups(shares=shares, density=density)
