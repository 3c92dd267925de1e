"""A student with reasons: aspects as extra targets, and class scores that add up over them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from fieldmark.tools.learned.aspects import Aspect, AspectLesson
from fieldmark.tools.learned.nearness import cross_entropies
from fieldmark.tools.learned.student import Lesson, LinearStudent, standardised
from fieldmark.tools.statistics.one_standard_error import choose_simplest

ALPHAS = (0.0, 0.3, 1.0, 3.0)
"""What aspects may weigh beside classes; at 0 they are shown, and count nothing."""
_STEPS = 80
_SHARE_DECAY = 0.003


@dataclass(frozen=True)
class AspectHeads:
    """Which aspects an image has, and what each speaks for.

    Attributes:
        weight: [A, D] float32.
        bias: [A] float32.
        share: What an aspect that is there adds to the score of a class [C, A] float32.
        middle: Mean probability of each aspect in the pool [A] float32: what no score is added at.
    """

    weight: Tensor
    bias: Tensor
    share: Tensor
    middle: Tensor

    def probabilities(self, vectors: Tensor) -> Tensor:
        """Probability of each aspect [N, A] of image vectors [N, D]."""
        return (vectors @ self.weight.T + self.bias).sigmoid()

    def scores(self, vectors: Tensor) -> Tensor:
        """What the aspects add to class scores [N, C]: `(p - middle) @ share.T`."""
        return (self.probabilities(vectors) - self.middle) @ self.share.T


@dataclass(frozen=True)
class AspectStudent:
    """A linear student and its aspects; class scores are the sum of both."""

    student: LinearStudent
    heads: AspectHeads

    def scores(self, vectors: Tensor) -> Tensor:
        """Class scores [N, C] of image vectors [N, D]."""
        return self.student.scores(vectors) + self.heads.scores(vectors)


@dataclass(frozen=True)
class AspectTrial:
    """How aspects did on images that they were not learned from.

    Attributes:
        alpha: What they weigh: the least of `ALPHAS` that is within noise of the best.
        scores: Class scores of the images by what the other half taught, with that weight [N, C] float32.
        agreement: Share of each aspect's answers that the other half foretells [A] float32; nan without any.
        usual: The same of always saying what the annotator says more often [A] float32.
        answers: How many answers both come from [A] int64.
    """

    alpha: float
    scores: Tensor
    agreement: Tensor
    usual: Tensor
    answers: Tensor


@dataclass(frozen=True)
class LearnedAspects:
    """The aspects of a student.

    Attributes:
        aspects: The A aspects.
        heads: Fitted on the whole pool.
        trial: How they did.
        images: Images of the pool with an answer.
    """

    aspects: tuple[Aspect, ...]
    heads: AspectHeads
    trial: AspectTrial
    images: int


def try_aspects(
    pool: Lesson, aspects: AspectLesson, half: Tensor, plain: Tensor, *, decay: float
) -> AspectTrial:
    """Choose what aspects weigh by how near class scores come to the run's probabilities on the other half.

    The least weight that is within one standard error of the best, over images; 0 is among the weights, so
    that aspects count only where they are seen to help.

    Args:
        pool: The pool.
        aspects: Aspects of the same images.
        half: A half (0 or 1) for each image [N].
        plain: Scores of the student without aspects, by the other half [N, C].
        decay: Penalty on squared weights.
    """
    scores = torch.stack([plain] * len(ALPHAS))
    seen = torch.zeros_like(aspects.p)
    for fold in (0, 1):
        own, other = (half == fold).nonzero()[:, 0], (half != fold).nonzero()[:, 0]
        train, known = pool.rows(other), aspects.rows(other)
        for place, alpha in enumerate(ALPHAS):
            fit = fit_aspects(train, known, decay=decay, alpha=alpha)
            if alpha:
                scores[place, own] = fit.scores(pool.vectors[own])
            else:
                seen[own] = fit.heads.probabilities(pool.vectors[own])
    losses = torch.stack([cross_entropies(each, pool) for each in scores])
    chosen = choose_simplest(-losses.numpy()).chosen
    said, answers = aspects.p > 0.5, aspects.known.sum(0)  # 0 / 0 is nan: nothing is known
    usual = (said * aspects.known).sum(0) / answers
    return AspectTrial(
        alpha=ALPHAS[chosen],
        scores=scores[chosen],
        agreement=(((seen > 0.5) == said) * aspects.known).sum(0) / answers,
        usual=torch.maximum(usual, 1 - usual),
        answers=answers.to(torch.int64),
    )


def fit_chosen(
    lesson: Lesson, aspects: AspectLesson, trial: AspectTrial, plain: LinearStudent, *, decay: float
) -> tuple[LinearStudent, LearnedAspects]:
    """The student with aspects as a trial chose it, fitted on the whole pool; at weight 0 the plain one."""
    fit = fit_aspects(lesson, aspects, decay=decay, alpha=trial.alpha)
    images = int((aspects.known.sum(1) > 0).sum())
    return fit.student if trial.alpha else plain, LearnedAspects(aspects.aspects, fit.heads, trial, images)


def fit_aspects(lesson: Lesson, aspects: AspectLesson, *, decay: float, alpha: float) -> AspectStudent:
    """Fit classes and aspects together.

    Minimises CE + alpha · BCE + decay (|W|² + |U|²) + share_decay |G|², where class scores are
    W x + b + G (σ(U x + u) - middle), CE is that of `fit_students`, and BCE the mean over all answers of the
    annotator of the cross-entropy of σ(U x + u). At alpha 0 the aspects are fitted by BCE alone, and the
    student and G are left at 0. What is said of classes and aspects is no part of it: where that was wrong,
    students that were held to it did worse than those without aspects.

    Source: Lee et al. 2025, "Multi-aspect Knowledge Distillation with Large Language Model". There aspects
    are further outputs of a network; here they add to class scores, so that they are reasons.

    Args:
        lesson: The pool.
        aspects: Aspects of the same images.
        decay: Penalty on squared weights.
        alpha: Weight of the aspects.
    """
    own, x = standardised(lesson)
    classes, count = lesson.target.shape[1], len(aspects.aspects)
    middle = (aspects.p * aspects.known).sum(0) / aspects.known.sum(0).clamp(min=1)
    w, b = x.new_zeros(classes, x.shape[1]), x.new_zeros(classes)
    u, v = x.new_zeros(count, x.shape[1]), x.new_zeros(count)
    g = x.new_zeros(classes, count)
    free = [u, v, w, b, g] if alpha else [u, v]
    for each in free:
        each.requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        free, max_iter=_STEPS, history_size=10, tolerance_change=1e-7, line_search_fn="strong_wolfe"
    )
    answers = aspects.known.sum().clamp(min=1)

    def loss() -> Tensor:
        optimiser.zero_grad()
        seen = torch.addmm(v, x, u.T)
        bce = binary_cross_entropy_with_logits(seen, aspects.p, aspects.known, reduction="sum") / answers
        value = (alpha or 1.0) * bce + decay * (w.square().sum() + u.square().sum())
        if alpha:
            log_p = (torch.addmm(b, x, w.T) + (seen.sigmoid() - middle) @ g.T).log_softmax(1)
            value = value - own.share @ (lesson.target * log_p).sum(1)
            value = value + _SHARE_DECAY * g.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    heads = own.folded(u.detach(), v.detach())
    return AspectStudent(
        own.folded(w.detach(), b.detach()), AspectHeads(heads.weight, heads.bias, g.detach(), middle)
    )
