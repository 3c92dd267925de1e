"""EM-Dirichlet: all images labelled together, as a mixture of Dirichlet laws over their text predictions."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.class_vectors import descriptor_vectors, name_vectors
from fieldmark.evals.methods.shared.dirichlet import dirichlet_step
from fieldmark.evals.methods.shared.probabilities import log_shares
from fieldmark.evals.methods.shared.support import fitting_vectors
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed

Match = Literal["assignment", "argmax", "none"]

_TINY = 1e-15
_EMPTY_TARGET = -10.0
_CHECK_EVERY = 50
_TOLERANCE = 1e-11
_AT_REST = 1e-26
"""A row whose squared step is below this share of its squared norm has parameters as exact as they get."""


@dataclass(frozen=True, kw_only=True)
class EmDirichletOptions:
    """Constants of EM-Dirichlet.

    Attributes:
        temperature: T of the features softmax(T·cos). A constant of the method, not the encoder's scale.
        iterations: Rounds of Dirichlet parameters, proportions and assignments.
        inner_steps: Most majorise-minimise steps on the Dirichlet parameters in a round.
        partition_weight: λ/n; None is ⌊K/5⌋ for K classes.
        match: How clusters get their class, see `em_dirichlet_scores`.
    """

    temperature: float = 30.0
    iterations: int = 20
    inner_steps: int = 1000
    partition_weight: float | None = None
    match: Match = "assignment"

    def __post_init__(self) -> None:
        if (
            self.temperature <= 0
            or min(self.iterations, self.inner_steps) < 1
            or self.match not in ("assignment", "argmax", "none")
        ):
            raise InputError(
                f"Options of EM-Dirichlet out of range: {self}.",
                hint='temperature > 0; iterations, inner_steps >= 1; match "assignment", "argmax" or "none".',
            )


def em_dirichlet_scores(
    image_vectors: Tensor, class_vectors: Tensor, *, options: EmDirichletOptions | None = None
) -> Tensor:
    """Cluster memberships of all images, each cluster standing for a class.

    Features x = softmax(30·f·Wᵀ) lie on the simplex of K classes. With α₁…α_K the parameters of one
    Dirichlet law per cluster and u the assignments, minimises

        −Σᵢₖ uᵢₖ log Dir(xᵢ; αₖ) + Σᵢₖ uᵢₖ log uᵢₖ − λ Σₖ πₖ log πₖ,     πₖ = (1/n) Σᵢ uᵢₖ,  λ = ⌊K/5⌋·n

    starting from u = x, α = 1, 20 times:

        αₖ ← argmin, by majorise-minimise steps from the α before (`dirichlet_step`), for the targets
             yₖ = Σᵢ uᵢₖ log(xᵢ + 10⁻¹⁵) / Σᵢ uᵢₖ
        vₖ = log(πₖ + 10⁻¹⁵) + 1
        uᵢ = softmaxₖ( log Dir(xᵢ; αₖ) + (λ/n)·vₖ )

    Steps on α end when all α together move by less than 10⁻¹¹ of their squared norm (looked at every 50
    steps, as in the code), or after 1,000. A cluster that has become empty keeps its α. For K < 5 there is
    no penalty (λ = 0). λ comes from the authors' tasks, 75 images of 5 classes at a time: it presses hard
    towards few clusters, so that on a pool where every class is present `partition_weight` should be
    smaller.

    Clusters start as classes but drift, so the authors match them: each non-empty cluster has the mean
    feature of the images whose largest u it is; "assignment" gives every cluster its own class such that
    these means fit best (Hungarian algorithm), "argmax" gives each the largest entry of its mean, so that
    several may share a class, whose score is then the largest of theirs (0 where a class has no cluster).
    The released code has both behind a switch. "none" returns u as it is.

    Memory: four float64 tables [N, K] and about ten [K, K]; 50,000 images and 1,000 classes take 1.7 GiB.
    Time goes to the K² digamma functions of each of up to 20,000 steps: minutes at K = 1,000 on a graphics
    card, an hour on two cores.

    Source: Martin et al. 2024, sections 3 (features, objective) and 4 (majorise-minimise algorithm), and
    released code (zero-shot), whose constants 10⁻¹⁵, 50 and 10⁻¹¹ are used. The code computes in float32.

    Args:
        image_vectors: Unit image vectors [N, D]; the answer for one depends on all.
        class_vectors: Unit class vectors [C, D].
        options: The constants.

    Returns:
        Scores [N, C], float32: memberships, rows summing to 1 (except under "argmax").

    Raises:
        InputError: If shapes do not fit.
    """
    images, weights = fitting_vectors(image_vectors, class_vectors)
    options = options or EmDirichletOptions()
    if not len(images):
        return images.new_zeros(0, len(weights))
    x = (options.temperature * (images @ weights.T).to(torch.float64)).softmax(dim=1)
    classes = len(weights)
    penalty = options.partition_weight if options.partition_weight is not None else float(classes // 5)
    logs = (x + _TINY).log()
    u = x
    alpha = x.new_ones(classes, classes)
    for _ in range(options.iterations):
        sizes = u.sum(dim=0)[:, None]
        targets = torch.where(sizes > _TINY, u.T @ logs / sizes.clamp(min=_TINY), _EMPTY_TARGET)
        alpha = torch.where(sizes > _TINY, fitted(alpha, targets, options.inner_steps), alpha)
        proportions = (u.mean(dim=0) + _TINY).log() + 1
        u = torch.addmm(_normaliser(alpha) + penalty * proportions, logs, (alpha - 1).T).softmax(dim=1)
    return _matched(u, x, options.match).to(torch.float32)


def fitted(alpha: Tensor, targets: Tensor, steps: int) -> Tensor:
    """Steps on Dirichlet parameters [K, D] until all of them together rest, see `em_dirichlet_scores`.

    A row whose own parameters rest is left as it is: further steps would change its last digits alone.
    """
    alpha = alpha.clone()
    moving = torch.arange(len(alpha), device=alpha.device)
    own, wanted = alpha, targets
    for step in range(steps):
        new = dirichlet_step(own, wanted)
        if step > 0 and step % _CHECK_EVERY == 0:
            moved, held = (new - own).square().sum(dim=1), own.square().sum(dim=1)
            alpha[moving] = own
            if float(moved.sum() / alpha.square().sum()) < _TOLERANCE:
                own = new
                break
            still = moved > _AT_REST * held
            if not bool(still.all()):
                alpha[moving] = new
                moving, wanted, new = moving[still], wanted[still], new[still]
        own = new
    alpha[moving] = own
    return alpha


def _normaliser(alpha: Tensor) -> Tensor:
    """Log of one over the Dirichlet law's constant [K]."""
    return torch.lgamma(alpha.sum(dim=1)) - torch.lgamma(alpha).sum(dim=1)


def _matched(u: Tensor, x: Tensor, match: Match) -> Tensor:
    """Memberships with a column per class instead of per cluster."""
    if match == "none":
        return u
    owners = u.argmax(dim=1)
    sums = u.new_zeros(u.shape[1], u.shape[1]).index_add_(0, owners, x)
    sizes = torch.bincount(owners, minlength=u.shape[1])
    # An empty cluster has a mean of 0: it takes what is left over and never decides.
    means = sums / sizes[:, None].clamp(min=1)
    if match == "argmax":
        classes = means.argmax(dim=1)
        filled = sizes > 0
        columns = classes[filled].expand(len(u), -1)
        return torch.zeros_like(u).scatter_reduce_(1, columns, u[:, filled], "amax")
    # Importing scipy.optimize takes half a second, and few callers come here.
    from scipy.optimize import linear_sum_assignment

    _, classes = linear_sum_assignment(means.cpu().numpy(), maximize=True)
    scores = torch.empty_like(u)
    scores[:, torch.from_numpy(classes).to(u.device)] = u
    return scores


async def by_names(bench: EvalBench) -> MethodScores:
    """From the plain template, with the authors' constants.

    Their λ is for tasks of 75 images from 5 of many classes. Where every class has images, as in most test
    sets, it drives images of several classes into one cluster.
    """
    return together(bench, name_vectors(bench), EmDirichletOptions())


async def by_descriptors(bench: EvalBench) -> MethodScores:
    """From descriptor prototypes, with λ = 0: no pull towards few clusters. All else is the authors'."""
    return together(bench, await descriptor_vectors(bench), EmDirichletOptions(partition_weight=0.0))


def together(bench: EvalBench, words: Tensor, options: EmDirichletOptions) -> MethodScores:
    """Logarithms of the memberships, so that their softmax is the memberships."""
    return MethodScores(scores=log_shares(em_dirichlet_scores(bench.vectors, words, options=options)))


_SOURCE = "Martin et al. 2024"
_SCALE = "four float64 tables of images × classes: 250,000 images of 1,000 classes"


METHODS = (
    EvalMethod(
        key="em-dirichlet",
        title="EM-Dirichlet",
        source=_SOURCE,
        needs=frozenset({MethodNeed.NAMES}),
        run=by_names,
        on_texts=lambda bench, words: together(bench, words, EmDirichletOptions()),
        transductive=True,
        scale=_SCALE,
    ),
    EvalMethod(
        key="em-dirichlet-descriptors",
        title="EM-Dirichlet, descriptors, λ = 0",
        source=_SOURCE,
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM}),
        run=by_descriptors,
        transductive=True,
        scale=_SCALE,
    ),
)
