"""The table rule: read answers as a class × attribute → value table that unlabelled images correct."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.scoring.attribute_evidence import NEVER, AttributeEvidence, ValueLogits, centred
from fieldmark.tools.scoring.class_fits import ClassEvidence, Rivals, log_fits
from fieldmark.tools.scoring.side_by_side import side_by_side
from fieldmark.tools.scoring.vectors import CACHE_ELEMENTS, BlockCosines, image_steps

__all__ = ["TableOptions", "TableResult", "centred", "table_rule"]

_LEAST = 1e-6
_LEAST_TOTAL = 1e-30
_EM_STEPS = 10


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """Constants of the table rule.

    Attributes:
        beta: Rms of an attribute's logits after scaling.
        eps: What is left of any class's fit where an image contradicts it; bounds the log-odds.
        eta: How much of a class's belief goes to values it was not given.
        kappa: Cap on the weight of image evidence against votes; nearer 1 for large CLIP models.
        rounds: Corrections of the table by the images; 0 is naive Bayes, the inductive form.
        share: What the pool is taken to hold. "pool": class shares estimated from the pool itself, which
            differs from "mean" only where classes are absent. "mean": every class alike, the plain rule.
        uniform_share: Least part of the estimated shares that stays uniform ("pool" only).
        name_weight: Factor on `name_scores`.
        reference_weight: How many images the reference pool counts for: a pool of n images uses its own
            statistics with weight n / (n + reference_weight). Infinite, with `rounds=0` and
            `share="mean"`: every image is scored as if it were alone, however many are in one call.
        least_pool: Without a reference, fewer images than this are no pool: each is read by itself.
        memory: Bytes that what the images show (N T V float32) may take; more of it lies in a temporary file.
    """

    beta: float = 2.0
    eps: float = 0.15
    eta: float = 0.2
    kappa: float = 2.0
    rounds: int = 5
    share: Literal["mean", "pool"] = "pool"
    uniform_share: float = 0.2
    name_weight: float = 1.0
    reference_weight: float = 50.0
    least_pool: int = 8
    memory: int = 1 << 30

    def __post_init__(self) -> None:
        fits = (
            self.beta > 0
            and 0 < self.eps < 1
            and 0 < self.eta < 1
            and self.kappa >= 0
            and self.rounds >= 0
            and 0 < self.uniform_share <= 1
            and self.reference_weight >= 0
            and self.least_pool >= 2
            and self.share in ("mean", "pool")
        )
        if not fits:
            raise InputError(
                f"Options of the table rule out of range: {self}.",
                hint="beta > 0, 0 < eps, eta < 1, kappa, rounds >= 0, 0 < uniform_share <= 1.",
            )


@dataclass(frozen=True)
class TableResult:
    """Scores of the table rule, and all that explains them.

    Attributes:
        scores: Sum of log fits over attributes, plus the name term, [N, k] float32; -inf where a
            candidate is missing.
        candidates: Class of each score column per image [N, k] int64, -1 where missing; None where the
            columns are all C classes.
        q: The corrected table: belief over values per class and attribute [C, T, V] float32.
        pi: Share of each value in the pool [T, V] float32.
        shares: Estimated share of each class in the pool [C] float32; 1/C each for `share="mean"`.
        names: The name term as added to the scores [N, C] float32, or None; [N, k] where it was given so.
        view: What each image shows; asked for some images at a time, as it may be large for all of them.
        used: 1 for values that anybody mentioned, else 0 [T, V] float32.
    """

    scores: Tensor
    candidates: Tensor | None
    q: Tensor
    pi: Tensor
    shares: Tensor
    names: Tensor | None
    view: AttributeEvidence
    used: Tensor

    @property
    def images(self) -> int:
        """N."""
        return self.view.images

    @cached_property
    def seen(self) -> Tensor:
        """What each image shows: posterior over values per attribute [N, T, V] float32.

        All zero for an attribute without values.
        """
        return self.seen_of(torch.arange(self.images))

    @cached_property
    def odds(self) -> Tensor:
        """Bounded odds of each value given the image [N, T, V] float32, 0 for values never mentioned."""
        return self.view.odds(self.view.seen(torch.arange(self.images))).permute(2, 0, 1).contiguous()

    def seen_of(self, images: Tensor) -> Tensor:
        """What some images [n] show [n, T, V]; see `seen`."""
        return (self.view.seen(images) * self.used[:, :, None]).permute(2, 0, 1).contiguous()

    @cached_property
    def most_like(self) -> Tensor:
        """The value that each image looks most like, per attribute [N, T] int64."""
        steps = image_steps(self.images, self.used.numel(), most=4 * CACHE_ELEMENTS)
        rows = [torch.arange(step.start, step.stop) for step in steps]
        none = torch.zeros(0, len(self.pi), dtype=torch.int64)
        return torch.cat([none, *(self.seen_of(own).argmax(-1) for own in rows)])

    def contributions_of(self, classes: Tensor, *, images: Tensor | None = None) -> Tensor:
        """What each attribute adds to the scores of some classes, computed when asked for.

        Args:
            classes: Class indices [n, m] int64, one row per image; -1 gives zeros.
            images: Which images [n] int64; all N where not given.

        Returns:
            [n, m, T] float32, or [n, m, T + 1] with the name term last where there is one. Sums over the
            last axis to the score within 1e-5.
        """
        rows = torch.arange(self.images) if images is None else images
        attributes, values = self.pi.shape
        width = classes.shape[1]
        parts = self.pi.new_zeros(len(rows), width, attributes + (self.names is not None))
        by_class = self.q.transpose(1, 2).contiguous()

        def fill(step: slice) -> None:
            own = classes[step].clamp(min=0)
            odds = self.view.odds(self.view.seen(rows[step]))
            parts[step, :, :attributes] = log_fits(odds, by_class, own.T).transpose(0, 1)
            if self.names is not None:
                parts[step, :, attributes] = self._names_of(rows[step], own)
            parts[step] *= (classes[step] >= 0)[..., None]

        steps = image_steps(len(rows), attributes * max(width, values), most=4 * CACHE_ELEMENTS)
        list(side_by_side(fill, steps))
        return parts

    def _names_of(self, images: Tensor, classes: Tensor) -> Tensor:
        """The name term of some classes [n, m] of some images [n]."""
        names = torch.empty(0) if self.names is None else self.names[images]
        if self.candidates is None or names.shape[1] == len(self.q):
            return names.gather(1, classes)
        place = (self.candidates[images][:, None] == classes[..., None]).to(torch.int8).argmax(-1)
        return names.gather(1, place)

    @cached_property
    def contributions(self) -> Tensor:
        """Contributions of all score columns [N, k, T (+ 1)]; of every class this can be large."""
        classes = self.candidates
        if classes is None:
            classes = torch.arange(self.scores.shape[1]).expand(self.scores.shape)
        return self.contributions_of(classes)


def table_rule(
    cosines: Tensor | BlockCosines,
    counts: Tensor,
    candidates: Tensor | None = None,
    options: TableOptions | None = None,
    *,
    name_scores: Tensor | None = None,
    reference: Tensor | None = None,
) -> TableResult:
    """Score classes by how well each image's attribute values fit the table, and correct the table.

    With S the cosines and cnt the counts, U uniform over the values that anybody mentioned:

        q0 = q = (1-eta) cnt^2 / sum_v cnt^2 + eta U          (U where never asked)
        z  = S - mean_n S;  z -= mean_v z;  z *= beta / rms(z) per attribute
        repeat rounds + 1 times:
            pi = sum_c w_c q_c
            b  : 15 steps of b += log pi - log mean_n softmax_v(z + b)
            l  = log(eps + (1-eps) softmax_v(z + b) / pi)
            Lt = log sum_v exp(l) q;  L = sum_t Lt (+ name term)
            R  = softmax over candidates of (L - Lt)
            q  = softmax_v(log q0 + kappa sum_n(R l) / (sum_n R + kappa))     (not after the last pass)

    With `share="mean"` w is 1/C each. With `share="pool"` m are the mixing weights that explain L best
    (expectation maximisation, one image of each class added), e = perplexity(m) / C, w = u/C + (1-u) m with
    u = max(uniform_share, e), and R weighs candidates by (.2/C + .8 m)^(1-e) (for `uniform_share` .2).
    Where all classes are present e is near 1 and the two agree; where most are absent they no longer
    take evidence that is not theirs. `rounds=0` is naive Bayes on the table.

    *Few images.* Means over images are what a pool is for. With a `reference` pool (images of the same
    kind of thing, labels not needed) they are mixed from both, so that one image can be scored. Fewer
    than `least_pool` images without a reference are centred over values only and taken to come from the
    table's own shares.

    An attribute for which nobody gave a value adds 0 everywhere. Values that nobody mentioned get no
    belief. Every pass is deterministic.

    Args:
        cosines: Cosine of each image with each value's text, S [N, T, V]; entries of unused values are
            ignored but must be finite. As `BlockCosines` they are never held for all images.
        counts: How often the answers give a class a value, cnt [C, T, V], not negative.
        candidates: Classes each image may be: indices [N, k] int64 with -1 for "none", or a mask [N, C]
            bool; None for all classes. Only candidates are scored, and only they take evidence.
        options: Constants; defaults where not given.
        name_scores: Added to L with weight `options.name_weight` [N, C]: for one the cosines with the
            class names, minus their mean over the pool (see `attribute_evidence.centred`). Beside candidates
            by index they may be those of the candidates alone [N, k], 0 where one is missing.
        reference: Cosines of reference images with the same texts [R, T, V].

    Returns:
        Scores with columns as `candidates` (all C classes for None or a mask), float32.

    Raises:
        InputError: If shapes do not fit or counts are negative.
    """
    options = options or TableOptions()
    counts = counts.to(torch.float32)
    if isinstance(cosines, Tensor):
        cosines = cosines.to(torch.float32)
    _check(cosines, counts, candidates, name_scores, reference)
    classes = len(counts)
    used = (counts > 0).any(0).to(torch.float32)
    first = _first_belief(counts, used, options.eta)
    off = (used - 1) * NEVER
    pool = ValueLogits(
        cosines,
        used,
        beta=options.beta,
        eps=options.eps,
        reference=reference,
        reference_weight=options.reference_weight,
        least_pool=options.least_pool,
        memory=options.memory,
    )
    names = None if name_scores is None else options.name_weight * name_scores.to(torch.float32)
    rivals = Rivals(candidates, counts.shape[1])
    shares = _Shares(torch.full((classes,), 1.0 / classes), options.uniform_share)
    q = first
    corrections = options.rounds
    # Class shares need scores before they can help, so naive Bayes with them takes one pass more.
    passes = max(corrections, int(options.share == "pool"))
    for _ in range(passes):
        view = pool.evidence(shares.of_values, q)
        evidence = ClassEvidence(counts.shape, shares.log_prior) if corrections else None
        scores = rivals.scores(view, q, names, evidence)
        if evidence is not None:
            mean = evidence.total / (evidence.weight[..., None] + options.kappa)
            q = (first.clamp(min=_LEAST).log() + options.kappa * mean + off).softmax(-1)
            q = q * used.any(-1)[:, None]
        if options.share == "pool":
            shares = _Shares(_mixing_weights(scores, rivals.columns, classes), options.uniform_share)
    view = pool.evidence(shares.of_values, q)
    return TableResult(
        scores=rivals.scores(view, q, names, None),
        candidates=rivals.columns,
        q=q,
        pi=view.pi * used,
        shares=shares.mixing,
        names=names,
        view=view,
        used=used,
    )


class _Shares:
    """Class shares of the pool, trusted the more the less even they are.

    Finding every class about as often as any other says nothing new, and what is left of unevenness is
    noise; finding a few only says that the others are absent.
    """

    def __init__(self, mixing: Tensor, uniform_share: float) -> None:
        self.mixing = mixing
        classes = len(mixing)
        entropy = -(mixing * mixing.clamp(min=1e-12).log()).sum()
        even = min(1.0, float(entropy.exp()) / classes)
        uniform = max(uniform_share, even)
        self.of_values = uniform / classes + (1 - uniform) * mixing
        self.log_prior = (1 - even) * (uniform_share / classes + (1 - uniform_share) * mixing).log()


def _first_belief(counts: Tensor, used: Tensor, eta: float) -> Tensor:
    squares = counts**2
    total = squares.sum(-1, keepdim=True)
    uniform = used / used.sum(-1, keepdim=True).clamp(min=1)
    estimate = (1 - eta) * squares / total.clamp(min=1e-9) + eta * uniform
    return torch.where(total > 0, estimate, uniform.expand_as(estimate))


def _mixing_weights(scores: Tensor, columns: Tensor | None, classes: int) -> Tensor:
    """The class shares that explain the scores best [C], as if one image more of each class had been seen.

    Without these a pool of few images would be taken for one in which the classes it missed are absent.
    The scores are overwritten.
    """
    shares = torch.full((classes,), 1.0 / classes)
    if not scores.numel():
        return shares
    best = scores.amax(1, keepdim=True)
    counted = int((~best.isinf()).sum())
    if not counted:
        return shares
    fits = scores.sub_(best.clamp_(min=torch.finfo(scores.dtype).min)).exp_()
    own = None if columns is None else columns.clamp(min=0).reshape(-1)
    for _ in range(_EM_STEPS):
        if own is None:
            share_of = (fits @ shares).clamp_(min=_LEAST_TOTAL).reciprocal_()
            total = shares * (share_of @ fits)
        else:
            weighed = shares[own].view_as(fits).mul_(fits)
            weighed /= weighed.sum(1, keepdim=True).clamp_(min=_LEAST_TOTAL)
            total = torch.bincount(own, weighed.view(-1), minlength=classes).to(torch.float32)
        shares = (total + 1) / (counted + classes)
    return shares


def _finite(values: Tensor) -> bool:
    """No mask of the size of the values is made: the least and the largest say it."""
    return not values.numel() or bool(torch.isfinite(torch.stack(values.aminmax())).all())


def _check(
    cosines: Tensor | BlockCosines,
    counts: Tensor,
    candidates: Tensor | None,
    name_scores: Tensor | None,
    reference: Tensor | None,
) -> None:
    shapes = f"Cosines {tuple(cosines.shape)} and counts {tuple(counts.shape)}"
    if (
        len(cosines.shape) != 3
        or counts.ndim != 3
        or cosines.shape[1:] != counts.shape[1:]
        or not len(counts)
    ):
        raise InputError(f"{shapes} do not fit.", hint="Give cosines [N, T, V] and counts [C, T, V], C > 0.")
    if bool((counts < 0).any()) or not (isinstance(cosines, BlockCosines) or _finite(cosines)):
        raise InputError("Counts are negative or cosines are not finite.", hint="Check how they were made.")
    images, classes = cosines.shape[0], len(counts)
    if reference is not None and (reference.shape[1:] != cosines.shape[1:] or not len(reference)):
        raise InputError(
            f"Reference {tuple(reference.shape)} does not fit cosines {tuple(cosines.shape)}.",
            hint="Compute it with the same texts, from at least one image.",
        )
    own = None if candidates is None or candidates.dtype == torch.bool else candidates.shape
    if name_scores is not None and name_scores.shape not in ((images, classes), own):
        raise InputError(
            f"Name scores {tuple(name_scores.shape)} for {images} images and {classes} classes.",
            hint="Give [N, C].",
        )
    if candidates is None:
        return
    if candidates.dtype == torch.bool:
        fits = candidates.shape == (images, classes)
    else:
        fits = candidates.ndim == 2 and len(candidates) == images
        fits = fits and not bool(((candidates < -1) | (candidates >= classes)).any())
    if not fits:
        raise InputError(
            f"Candidates {tuple(candidates.shape)} do not fit {images} images and {classes} classes.",
            hint="Give class indices [N, k] (-1 for none) or a bool mask [N, C].",
        )
