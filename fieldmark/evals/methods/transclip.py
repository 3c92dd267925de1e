"""TransCLIP-ZS: all images labelled together, by a Gaussian mixture, their neighbours and the texts."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.class_vectors import descriptor_vectors, name_vectors
from fieldmark.evals.methods.shared.probabilities import log_shares
from fieldmark.evals.methods.shared.support import fitting_vectors
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.scoring.neighbours import NeighbourGraph, nearest_neighbours, neighbour_graph
from fieldmark.tools.scoring.vectors import image_steps, unit

_LEAST_VARIANCE = 1e-12
_LEAST_SIZE = 1e-30


@dataclass(frozen=True, kw_only=True)
class TransClipOptions:
    """Constants of TransCLIP-ZS; the authors use the same for every data set.

    Attributes:
        steps: Updates of the mixture; the assignments are updated once more at the end.
        inner_steps: Updates of the assignments per step.
        neighbours: How many nearest images an image has.
        confident: Images per class, most probable first, that make its first mean.
        text_weight: λ, weight of the KL to the text predictions.
        likelihood_weight: Factor on the mixture's log-likelihood.
        neighbour_weight: Factor on the neighbours' votes; None is 1/(2·neighbours).
    """

    steps: int = 10
    inner_steps: int = 5
    neighbours: int = 3
    confident: int = 8
    text_weight: float = 1.0
    likelihood_weight: float = 1 / 50
    neighbour_weight: float | None = None

    def __post_init__(self) -> None:
        if min(self.steps, self.neighbours) < 0 or min(self.inner_steps, self.confident) < 1:
            raise InputError(
                f"Options of TransCLIP out of range: {self}.",
                hint="steps, neighbours >= 0; inner_steps, confident >= 1.",
            )


def transclip_scores(
    image_vectors: Tensor,
    class_vectors: Tensor,
    *,
    logit_scale: float,
    options: TransClipOptions | None = None,
) -> Tensor:
    """Class probabilities of all images, found together.

    Minimises over assignments z (rows on the simplex), class means μ and one diagonal covariance Σ

        −(1/N) Σᵢ zᵢ·log pᵢ − Σᵢⱼ wᵢⱼ zᵢ·zⱼ + Σᵢ KL(zᵢ ‖ ŷᵢ),     log pᵢₖ = −½ (fᵢ−μₖ)ᵀ Σ⁻¹ (fᵢ−μₖ) + const

    with ŷ = softmax(s·f·Wᵀ) and w the cosine to the 3 nearest images, else 0. Block updates:

        zᵢ ∝ ŷᵢ^λ ⊙ exp( (1/50)·log pᵢ + 1/(2·3)·[(W + Wᵀ) z]ᵢ )      5 times, all images at once
        μₖ = unit(Σᵢ zᵢₖ fᵢ)
        σ²_d = (1/N) Σᵢₖ zᵢₖ (f_id − μ_kd)²

    repeated 10 times, with a last update of z. Start: z = ŷ; μₖ = the unit mean of the 8 images most probable
    for k, weighted by their probability; σ² = 1/D.

    The factors 1/50 and 1/(2·3) are those of the released code and not in the paper's update;
    `TransClipOptions(likelihood_weight=1, neighbour_weight=1)` is the paper's. The code scales means to
    length one, as here. Beyond the code: an image is never its own neighbour (the code drops the first of
    four, which is another image where there are exact doubles), and a class that no image is assigned to
    keeps its mean (the code divides by 0).

    Memory: four float32 tables [N, C] and blocks of `STEP_ELEMENTS`; 50,000 images, 1,000 classes and
    D = 512 take 1 GiB beside the vectors. The neighbours cost N²·D multiplications, once.

    Source: Zanella et al. 2024, sections 3.1 (objective) and 3.2 (block updates), and released code.

    Args:
        image_vectors: Unit image vectors [N, D]; the answer for one depends on all.
        class_vectors: Unit class vectors [C, D]; the authors use "a photo of a {c}.".
        logit_scale: The encoder's factor s on cosines.
        options: The constants.

    Returns:
        Assignments z [N, C], float32, rows summing to 1.

    Raises:
        InputError: If shapes do not fit.
    """
    images, weights = fitting_vectors(image_vectors, class_vectors)
    options = options or TransClipOptions()
    if not len(images):
        return images.new_zeros(0, len(weights))
    vote_weight = options.neighbour_weight
    if vote_weight is None:
        vote_weight = 1 / (2 * max(1, options.neighbours))
    index, cosines = nearest_neighbours(images, options.neighbours)
    graph = neighbour_graph(index, vote_weight * cosines)
    z = (logit_scale * (images @ weights.T)).softmax(dim=1)
    mixture = _first_mixture(images, z, options.confident)
    texts = options.text_weight * logit_scale * weights
    spare = torch.empty_like(z)
    for step in range(options.steps + 1):
        fixed = mixture.logits(images, texts, options.likelihood_weight)
        for _ in range(options.inner_steps):
            _assign(fixed, graph, z, out=spare)
            z, spare = spare, z
        if step < options.steps:
            mixture = mixture.updated(images, z)
    return z


@dataclass(frozen=True)
class _Mixture:
    """Means [C, D] float32 and the variances that they share [D] float32."""

    means: Tensor
    variances: Tensor

    def logits(self, images: Tensor, texts: Tensor, weight: float) -> Tensor:
        """λ·log ŷ + weight·log p [N, C], up to a constant per image, which the softmax takes out.

        Without that constant both are linear in the image vector: one product instead of N·C·D squares.
        """
        scaled = weight * self.means / self.variances
        offset = -0.5 * (scaled * self.means).sum(dim=1)
        return torch.addmm(offset, images, (texts + scaled).T)

    def updated(self, images: Tensor, z: Tensor) -> "_Mixture":
        """Means and variances given the assignments."""
        sizes = z.sum(dim=0, dtype=torch.float64)
        sums = z.T @ images
        shares = (sums / sizes[:, None].clamp(min=_LEAST_SIZE)).to(torch.float32)
        means = torch.where((sizes > _LEAST_SIZE)[:, None], unit(shares), self.means)
        # Σᵢₖ z(f − μ)² without the differences; in float64, because squares cancel.
        wide = means.to(torch.float64)
        squares = images.square().sum(dim=0, dtype=torch.float64)
        spread = squares - 2 * (wide * sums).sum(dim=0) + (sizes[:, None] * wide.square()).sum(dim=0)
        variances = (spread / sizes.sum()).clamp(min=_LEAST_VARIANCE).to(torch.float32)
        return _Mixture(means, variances)


def _first_mixture(images: Tensor, z: Tensor, confident: int) -> _Mixture:
    """Means of each class's most probable images, and a variance of 1/D."""
    width = images.shape[1]
    most, rows = z.topk(min(confident, len(images)), dim=0)
    most = most / most.sum(dim=0).clamp(min=_LEAST_SIZE)  # else `unit` takes tiny probabilities for 0
    means = images.new_empty(z.shape[1], width)
    for step in image_steps(z.shape[1], 2 * len(rows) * width):
        means[step] = unit(torch.einsum("kc,kcd->cd", most[:, step], images[rows[:, step]]))
    return _Mixture(means, images.new_full((width,), 1 / width))


def _assign(fixed: Tensor, graph: NeighbourGraph, z: Tensor, *, out: Tensor) -> None:
    """One update of all assignments from all assignments before it."""
    for step in image_steps(len(z), 3 * z.shape[1]):
        torch.softmax(fixed[step] + graph.sums(z, step), dim=1, out=out[step])


_SCALE = "three float32 tables of images × classes: 600,000 images of 1,000 classes"


async def by_names(bench: EvalBench) -> MethodScores:
    """From the plain template, the authors' constants: nothing is tuned."""
    return together(bench, name_vectors(bench))


async def by_descriptors(bench: EvalBench) -> MethodScores:
    """From descriptor prototypes: where names say nothing, so do the assignments that begin with them."""
    return together(bench, await descriptor_vectors(bench))


def together(bench: EvalBench, words: Tensor) -> MethodScores:
    """Logarithms of the assignments, so that their softmax is the assignments."""
    return MethodScores(
        scores=log_shares(transclip_scores(bench.vectors, words, logit_scale=bench.logit_scale))
    )


METHODS = (
    EvalMethod(
        key="transclip-zs",
        title="TransCLIP-ZS, one template",
        source="Zanella et al. 2024",
        needs=frozenset({MethodNeed.NAMES}),
        run=by_names,
        on_texts=together,
        transductive=True,
        scale=_SCALE,
    ),
    EvalMethod(
        key="transclip-descriptors",
        title="TransCLIP-ZS, descriptors",
        source="Zanella et al. 2024",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM}),
        run=by_descriptors,
        transductive=True,
        scale=_SCALE,
    ),
)
