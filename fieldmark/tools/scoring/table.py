"""The table rule: read answers as a class × attribute → value table that unlabelled images correct."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.scoring.attribute_evidence import NEVER, AttributeEvidence, ValueLogits, centred
from fieldmark.tools.scoring.vectors import image_steps

__all__ = ["TableOptions", "TableResult", "centred", "table_rule"]

_LEAST = 1e-6
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
        seen: What each image shows: posterior over values per attribute [N, T, V] float32; all zero for
            an attribute without values.
        odds: Bounded odds of each value given the image [N, T, V] float32, 0 for values never mentioned.
        names: The name term as added to the scores [N, C] float32, or None.
    """

    scores: Tensor
    candidates: Tensor | None
    q: Tensor
    pi: Tensor
    shares: Tensor
    seen: Tensor
    odds: Tensor
    names: Tensor | None

    def contributions_of(self, classes: Tensor, *, images: Tensor | None = None) -> Tensor:
        """What each attribute adds to the scores of some classes, computed when asked for.

        Args:
            classes: Class indices [n, m] int64, one row per image; -1 gives zeros.
            images: Which images [n] int64; all N where not given.

        Returns:
            [n, m, T] float32, or [n, m, T + 1] with the name term last where there is one. Sums over the
            last axis to the score within 1e-5.
        """
        rows = torch.arange(len(self.odds)) if images is None else images
        attributes, values = self.pi.shape
        width = classes.shape[1]
        parts = self.odds.new_zeros(len(rows), width, attributes + (self.names is not None))
        valued = _valued(self.q)
        for step in image_steps(len(rows), width * attributes * values):
            own = classes[step]
            fit = torch.einsum("ntv,nktv->nkt", self.odds[rows[step]], self.q[own.clamp(min=0)])
            parts[step, :, :attributes] = fit.clamp(min=_LEAST).log() * valued
            if self.names is not None:
                parts[step, :, attributes] = self.names[rows[step]].gather(1, own.clamp(min=0))
            parts[step] *= (own >= 0)[..., None]
        return parts

    @cached_property
    def contributions(self) -> Tensor:
        """Contributions of all score columns [N, k, T (+ 1)]; of every class this can be large."""
        classes = self.candidates
        if classes is None:
            classes = torch.arange(self.scores.shape[1]).expand(self.scores.shape)
        return self.contributions_of(classes)


def table_rule(
    cosines: Tensor,
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
            ignored but must be finite.
        counts: How often the answers give a class a value, cnt [C, T, V], not negative.
        candidates: Classes each image may be: indices [N, k] int64 with -1 for "none", or a mask [N, C]
            bool; None for all classes. Only candidates are scored, and only they take evidence.
        options: Constants; defaults where not given.
        name_scores: Added to L with weight `options.name_weight` [N, C]: for one the cosines with the
            class names, minus their mean over the pool (see `attribute_evidence.centred`).
        reference: Cosines of reference images with the same texts [R, T, V].

    Returns:
        Scores with columns as `candidates` (all C classes for None or a mask), float32.

    Raises:
        InputError: If shapes do not fit or counts are negative.
    """
    options = options or TableOptions()
    cosines, counts = cosines.to(torch.float32), counts.to(torch.float32)
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
    )
    names = None if name_scores is None else options.name_weight * name_scores.to(torch.float32)
    columns = candidates if candidates is not None and candidates.dtype != torch.bool else None
    shares = _Shares(torch.full((classes,), 1.0 / classes), options.uniform_share)
    q = first
    corrections = options.rounds
    # Class shares need scores before they can help, so naive Bayes with them takes one pass more.
    passes = max(corrections, int(options.share == "pool"))
    for _ in range(passes):
        view = pool.evidence(shares.of_values, q)
        evidence = _Evidence(counts.shape, shares.log_prior) if corrections else None
        scores = _score(view, q, names, candidates, evidence)
        if evidence is not None:
            mean = evidence.total / (evidence.weight[..., None] + options.kappa)
            q = (first.clamp(min=_LEAST).log() + options.kappa * mean + off).softmax(-1)
            q = q * used.any(-1)[:, None]
        if options.share == "pool":
            shares = _Shares(_mixing_weights(scores, columns, classes), options.uniform_share)
    view = pool.evidence(shares.of_values, q)
    return TableResult(
        scores=_score(view, q, names, candidates, None),
        candidates=columns,
        q=q,
        pi=view.pi * used,
        shares=shares.mixing,
        seen=view.seen * used,
        odds=view.odds,
        names=names,
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


class _Evidence:
    """Sums over images of R l [C, T, V] and of R [C, T], and the log prior of classes in R [C]."""

    def __init__(self, shape: torch.Size, log_prior: Tensor) -> None:
        self.total = torch.zeros(shape)
        self.weight = torch.zeros(shape[:2])
        self.log_prior = log_prior


def _first_belief(counts: Tensor, used: Tensor, eta: float) -> Tensor:
    squares = counts**2
    total = squares.sum(-1, keepdim=True)
    uniform = used / used.sum(-1, keepdim=True).clamp(min=1)
    estimate = (1 - eta) * squares / total.clamp(min=1e-9) + eta * uniform
    return torch.where(total > 0, estimate, uniform.expand_as(estimate))


def _score(
    view: AttributeEvidence,
    q: Tensor,
    names: Tensor | None,
    candidates: Tensor | None,
    evidence: _Evidence | None,
) -> Tensor:
    """L [N, k]; adds to `evidence` where given."""
    if candidates is None or candidates.dtype == torch.bool:
        return _score_all(view, q, names, candidates, evidence)
    return _score_some(view, q, names, candidates, evidence)


def _score_all(
    view: AttributeEvidence, q: Tensor, names: Tensor | None, mask: Tensor | None, evidence: _Evidence | None
) -> Tensor:
    """L [N, C] over all classes, -inf outside the mask."""
    odds, logs = view.odds, view.logs
    images, attributes, _ = odds.shape
    classes = len(q)
    by_value = q.permute(1, 2, 0)  # [T, V, C]
    valued = _valued(q)[:, None, None]
    scores = odds.new_empty(images, classes)
    for step in image_steps(images, 3 * attributes * classes):
        parts = torch.bmm(odds[step].transpose(0, 1), by_value).clamp_(min=_LEAST).log_().mul_(valued)
        total = parts.sum(0)
        if names is not None:
            total = total + names[step]
        if mask is not None:
            total = total.masked_fill(~mask[step], -torch.inf)
        scores[step] = total
        if evidence is not None:
            others = torch.sub(total + evidence.log_prior, parts, out=parts).softmax(-1)
            if mask is not None:
                others = others.nan_to_num_(0.0)  # images without candidates
            evidence.total += torch.bmm(others.transpose(1, 2), logs[step].transpose(0, 1)).transpose(0, 1)
            evidence.weight += others.sum(1).T
    return scores


def _score_some(
    view: AttributeEvidence, q: Tensor, names: Tensor | None, columns: Tensor, evidence: _Evidence | None
) -> Tensor:
    """L [N, k] over each image's candidates, -inf where one is missing."""
    odds, logs = view.odds, view.logs
    images, attributes, values = odds.shape
    width = columns.shape[1]
    valued = _valued(q)
    scores = odds.new_empty(images, width)
    for step in image_steps(images, 2 * width * attributes * values):
        missing = columns[step] < 0
        own = columns[step].clamp(min=0)
        parts = torch.einsum("ntv,nktv->nkt", odds[step], q[own]).clamp(min=_LEAST).log() * valued
        total = parts.sum(-1)
        if names is not None:
            total = total + names[step].gather(1, own)
        total = total.masked_fill(missing, -torch.inf)
        scores[step] = total
        if evidence is not None:
            others = ((total + evidence.log_prior[own])[..., None] - parts).softmax(1).nan_to_num(0.0)
            flat = own.reshape(-1)
            weighted = others[..., None] * logs[step][:, None]
            evidence.total.index_add_(0, flat, weighted.flatten(0, 1))
            evidence.weight.index_add_(0, flat, others.flatten(0, 1))
    return scores


def _mixing_weights(scores: Tensor, columns: Tensor | None, classes: int) -> Tensor:
    """The class shares that explain the scores best [C], as if one image more of each class had been seen.

    Without these a pool of few images would be taken for one in which the classes it missed are absent.
    """
    shares = torch.full((classes,), 1.0 / classes)
    counted = scores[~scores.isinf().all(1)]
    if not len(counted):
        return shares
    own = None if columns is None else columns[~scores.isinf().all(1)].clamp(min=0)
    for _ in range(_EM_STEPS):
        log_shares = shares.clamp(min=1e-12).log()
        total = torch.zeros(classes)
        for step in image_steps(len(counted), 2 * counted.shape[1]):
            prior = log_shares if own is None else log_shares[own[step]]
            posterior = (counted[step] + prior).softmax(1)
            if own is None:
                total += posterior.sum(0)
            else:
                total.index_add_(0, own[step].reshape(-1), posterior.reshape(-1))
        shares = (total + 1) / (total.sum() + classes)
    return shares


def _valued(q: Tensor) -> Tensor:
    """1 for attributes that have values, 0 for the others [T] float32."""
    return (q.sum(-1) > 0).any(0).to(torch.float32)


def _check(
    cosines: Tensor,
    counts: Tensor,
    candidates: Tensor | None,
    name_scores: Tensor | None,
    reference: Tensor | None,
) -> None:
    shapes = f"Cosines {tuple(cosines.shape)} and counts {tuple(counts.shape)}"
    if cosines.ndim != 3 or counts.ndim != 3 or cosines.shape[1:] != counts.shape[1:] or not len(counts):
        raise InputError(f"{shapes} do not fit.", hint="Give cosines [N, T, V] and counts [C, T, V], C > 0.")
    if bool((counts < 0).any()) or not bool(torch.isfinite(cosines).all()):
        raise InputError("Counts are negative or cosines are not finite.", hint="Check how they were made.")
    images, classes = len(cosines), len(counts)
    if reference is not None and (reference.shape[1:] != cosines.shape[1:] or not len(reference)):
        raise InputError(
            f"Reference {tuple(reference.shape)} does not fit cosines {tuple(cosines.shape)}.",
            hint="Compute it with the same texts, from at least one image.",
        )
    if name_scores is not None and name_scores.shape != (images, classes):
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
