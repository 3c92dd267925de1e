"""UNEM: EM-Dirichlet with labelled images, its hyper-parameters learned by unrolling its rounds."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import softplus
from torch.utils.checkpoint import checkpoint

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.class_vectors import name_vectors
from fieldmark.evals.methods.shared.dirichlet import dirichlet_step
from fieldmark.evals.methods.shared.support import Support, fitting_support, fitting_vectors
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed

_TINY = 1e-15
_MOST_FOLDS = 4
_KEPT = 1 << 26
"""Numbers that the steps of all rounds may keep for the way back (512 MiB): 450 classes."""


@dataclass(frozen=True)
class UnemLayers:
    """What is learned, each before its softplus but for the temperature.

    Attributes:
        temperature: T of the features softmax(T·cos), a scalar.
        balance: λ of each of the L rounds `[L]`.
        softness: T − 1 of each round's assignments `[L]`.
    """

    temperature: Tensor
    balance: Tensor
    softness: Tensor


@dataclass(frozen=True, kw_only=True)
class UnemOptions:
    """How UNEM is unrolled and learned.

    Attributes:
        rounds: L, rounds of Dirichlet parameters and assignments.
        inner_steps: Majorise-minimise steps on the Dirichlet parameters in a round.
        epochs: Steps of Adam; 0 keeps the values that it begins with.
        rate: Its first rate, falling to 0 by a cosine.
        temperature: T of the features, to begin with.
        balance: λ before the softplus, to begin with. The authors' 20 is for tasks of 75 images from 5 of
            many classes; where all classes have images, learning does not find its way back from there.
        softness: T − 1 before the softplus, to begin with.
    """

    rounds: int = 10
    inner_steps: int = 8
    epochs: int = 40
    rate: float = 0.5
    temperature: float = 30.0
    balance: float = 0.0
    softness: float = 1.0

    def __post_init__(self) -> None:
        if (
            min(self.rounds, self.inner_steps) < 1
            or self.epochs < 0
            or self.rate <= 0
            or self.temperature <= 0
        ):
            raise InputError(
                f"Options of UNEM out of range: {self}.",
                hint="rounds and inner_steps >= 1, epochs >= 0, rate and temperature > 0.",
            )

    def start(self) -> UnemLayers:
        """What learning begins with."""
        row = torch.ones(self.rounds, dtype=torch.float64)
        return UnemLayers(row[0] * self.temperature, row * self.balance, row * self.softness)


def unem_logits(
    query: Tensor, support: Tensor, labels: Tensor, *, layers: UnemLayers, inner_steps: int
) -> Tensor:
    """Logarithms of the memberships of query images, after as many rounds as there are layers.

    Features are x = softmax(T·cos) on the simplex of K classes. From u = x of the query and α = 1, a round is

        y_k = (Σ_s [label s = k]·log x_s + Σ_i u_ik·log x_i) / (shots of k + Σ_i u_ik)
        α_k ← majorise-minimise steps for the targets y_k (`dirichlet_step`), from the α before
        v_k = log(mean_i u_ik) + 1
        u_i = softmax_k( (log Dir(x_i; α_k) + softplus(λ)·v_k) / (1 + softplus(t)) )

    with λ and t of that round. With softplus(λ) = λ/n and no t it is EM-Dirichlet with labelled images. The
    sums have 10⁻¹⁵ added where they are divided by or taken the logarithm of, as in the code.

    Source: Zhou et al. 2025, section 3 (generalised EM, its unrolling) and released code (UNEM-Dirichlet,
    "EMBT-L": a value per round, T learned too).

    Args:
        query: Cosines of images and classes `[N, K]` float64.
        support: Those of labelled images `[S, K]` float64.
        labels: Their classes `[S]` int64.
        layers: Hyper-parameters of each round.
        inner_steps: Steps on α in a round.

    Returns:
        float64 `[N, K]`.
    """
    x, s = (((layers.temperature * cosines).softmax(dim=1) + _TINY).log() for cosines in (query, support))
    classes = query.shape[1]
    shots = torch.bincount(labels, minlength=classes).to(x)[:, None]
    fixed = x.new_zeros(classes, classes).index_add(0, labels, s)
    log_u = (layers.temperature * query).log_softmax(dim=1)
    alpha = x.new_ones(classes, classes)

    def one_round(log_u: Tensor, alpha: Tensor, balance: Tensor, softness: Tensor) -> tuple[Tensor, Tensor]:
        u = log_u.exp()
        targets = (fixed + u.T @ x) / (shots + u.sum(0)[:, None] + _TINY)
        for _ in range(inner_steps):
            alpha = dirichlet_step(alpha, targets)
        level = torch.lgamma(alpha.sum(1)) - torch.lgamma(alpha).sum(1)
        found = torch.addmm(level + softplus(balance) * ((u.mean(0) + _TINY).log() + 1), x, (alpha - 1).T)
        return (found / (1 + softplus(softness))).log_softmax(dim=1), alpha

    run_round = one_round
    if 4 * inner_steps * len(layers.balance) * alpha.numel() > _KEPT:
        # Kept for the way back are α and u of each round alone: a round's own steps are done again.
        run_round = partial(checkpoint, one_round, use_reentrant=False)
    for balance, softness in zip(layers.balance, layers.softness, strict=True):
        log_u, alpha = run_round(log_u, alpha, balance, softness)
    return log_u


def learn_layers(support: Support, class_vectors: Tensor, options: UnemOptions) -> tuple[UnemLayers, Tensor]:
    """Learn the hyper-parameters on tasks made of the labelled images alone.

    In each task a part of every class's images is the query, whose labels are then asked for, and the others
    are the support; with n images of a class there are up to four such tasks, taken in turn. The authors draw
    tasks from validation images of the data set, which a user of few labels does not have. The loss is the
    cross-entropy of the last round.

    Args:
        support: Labelled images.
        class_vectors: Unit class vectors `[K, D]`.
        options: How.

    Returns:
        The hyper-parameters, and the loss of each step `[epochs]`; none where no class has two images.

    Raises:
        InputError: Shapes do not fit, or a label is no class.
    """
    vectors, labels = fitting_support(support, len(class_vectors), class_vectors.shape[1])
    cosines = vectors.double() @ class_vectors.double().T
    start = options.start()
    turn = _turns(labels)
    folds = min(_MOST_FOLDS, int(turn.max()) + 1)
    if folds < 2 or not options.epochs:
        return start, torch.zeros(0)
    values = [each.clone().requires_grad_() for each in (start.temperature, start.balance, start.softness)]
    optimiser = torch.optim.Adam(values, lr=options.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.epochs)
    losses: list[Tensor] = []
    for epoch in range(options.epochs):
        held = turn % folds == epoch % folds
        optimiser.zero_grad()
        temperature = values[0].clamp(min=1.0)
        found = unem_logits(
            cosines[held],
            cosines[~held],
            labels[~held],
            layers=UnemLayers(temperature, values[1], values[2]),
            inner_steps=options.inner_steps,
        )
        loss = torch.nn.functional.nll_loss(found, labels[held])
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.detach())
    temperature, balance, softness = (each.detach() for each in values)
    return UnemLayers(temperature.clamp(min=1.0), balance, softness), torch.stack(losses)


def unem_scores(
    image_vectors: Tensor, class_vectors: Tensor, *, support: Support, layers: UnemLayers, inner_steps: int
) -> Tensor:
    """Logarithms of the memberships of images `[N, K]` float32; see `unem_logits`.

    Args:
        image_vectors: Unit image vectors `[N, D]`; the answer for one depends on all.
        class_vectors: Unit class vectors `[K, D]`.
        support: Labelled images.
        layers: The hyper-parameters.
        inner_steps: Steps on the Dirichlet parameters in a round.

    Raises:
        InputError: Shapes do not fit, or a label is no class.
    """
    images, words = fitting_vectors(image_vectors, class_vectors)
    vectors, labels = fitting_support(support, len(words), images.shape[1])
    if not len(images):
        return images.new_zeros(0, len(words))
    query, own = (rows.double() @ words.double().T for rows in (images, vectors))
    with torch.no_grad():
        found = unem_logits(query, own, labels, layers=layers, inner_steps=inner_steps)
    return found.clamp(min=-100.0).to(torch.float32)


def _turns(labels: Tensor) -> Tensor:
    """The how-manieth image of its class each is `[S]`, from 0."""
    order = labels.argsort(stable=True)
    sizes = torch.bincount(labels)
    turn = torch.empty_like(labels)
    turn[order] = torch.arange(len(labels)) - (sizes.cumsum(0) - sizes)[labels[order]]
    return turn


async def by_labels(bench: EvalBench) -> MethodScores:
    """From the plain template and the labelled images."""
    return by_layers(bench, name_vectors(bench))


def by_layers(bench: EvalBench, words: Tensor, options: UnemOptions | None = None) -> MethodScores:
    """Learn the hyper-parameters on the labelled images, then label all test images together.

    Args:
        bench: The bench.
        words: Unit class vectors `[C, D]`.
        options: How.
    """
    options = options or UnemOptions()
    support = Support(bench.train_vectors, bench.train_labels)
    layers, losses = learn_layers(support, words, options)
    scores = unem_scores(
        bench.vectors, words, support=support, layers=layers, inner_steps=options.inner_steps
    )
    figures = {"temperature": float(layers.temperature), "last balance": float(softplus(layers.balance[-1]))}
    if len(losses):
        figures |= {"first loss": float(losses[0]), "last loss": float(losses[-1])}
    return MethodScores(scores=scores, diagnostics=figures)


METHODS = (
    EvalMethod(
        key="unem",
        title="UNEM, hyper-parameters learned",
        source="Zhou et al. 2025",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LABELS}),
        run=by_labels,
        on_texts=by_layers,
        transductive=True,
        scale="two dozen float64 tables of classes × classes and four of images × classes: 3,000 classes",
    ),
)
