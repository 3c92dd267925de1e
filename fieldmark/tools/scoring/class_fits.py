"""How well each image fits each class by the table, and what the images say of the classes in return."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from fieldmark.tools.scoring.attribute_evidence import AttributeEvidence
from fieldmark.tools.scoring.side_by_side import side_by_side
from fieldmark.tools.scoring.vectors import CACHE_ELEMENTS, STEP_ELEMENTS, image_steps

LEAST_FIT = 1e-6
"""No image fits a class worse in one attribute: its logarithm stays finite."""


class ClassEvidence:
    """Sums over images of R l [C, T, V] and of R [C, T], and the log prior of classes in R [C]."""

    def __init__(self, shape: torch.Size, log_prior: Tensor) -> None:
        self.total = torch.zeros(shape)
        self.weight = torch.zeros(shape[:2])
        self.log_prior = log_prior


class Rivals:
    """Which classes each image may be, arranged once for all passes.

    Args:
        candidates: Class indices [N, k] int64 with -1 for "none", or a mask [N, C] bool; None for all
            classes.
        attributes: How many attributes the table has.
    """

    def __init__(self, candidates: Tensor | None, attributes: int) -> None:
        listed = candidates is not None and candidates.dtype != torch.bool
        self.columns = candidates if listed else None
        self.mask = None if listed else candidates
        self._blocks = []
        if self.columns is not None:
            columns, per_image = self.columns, self.columns.shape[1] * attributes
            steps = image_steps(len(columns), per_image, most=4 * CACHE_ELEMENTS)
            self._blocks = list(side_by_side(lambda step: _arranged(step, columns[step]), steps))

    def scores(
        self, view: AttributeEvidence, q: Tensor, names: Tensor | None, evidence: ClassEvidence | None
    ) -> Tensor:
        """The sum over attributes of log fits L [N, k], -inf where a candidate is missing.

        Args:
            view: What the images show.
            q: The table [C, T, V].
            names: The name term [N, C], or of the candidates alone [N, k], or None.
            evidence: Sums to add to, or None.
        """
        if self.columns is None:
            return _score_all(view, q, names, self.mask, evidence)
        return _score_some(view, q, names, self._blocks, self.columns.shape, evidence)


@dataclass(frozen=True)
class _Block:
    """Some images with their candidates.

    Attributes:
        images: Which.
        own: Their candidates [k, n] int64, 0 where missing.
        missing: Where [k, n] bool, or None.
        order: The k * n pairs of candidate and image, sorted by class, int32.
        rows: Image of each sorted pair, counted within the block, int32.
        present: Classes among the candidates [m] int64.
        starts: Where each of them begins in the order [m] int32.
    """

    images: slice
    own: Tensor
    missing: Tensor | None
    order: Tensor
    rows: Tensor
    present: Tensor
    starts: Tensor


def _arranged(images: slice, columns: Tensor) -> _Block:
    own = columns.T.contiguous()
    missing = own < 0
    own.clamp_(min=0)
    classes, order = own.reshape(-1).sort(stable=True)
    present, sizes = classes.unique_consecutive(return_counts=True)
    return _Block(
        images=images,
        own=own,
        missing=missing if bool(missing.any()) else None,
        order=order.to(torch.int32),
        rows=(order % max(1, len(columns))).to(torch.int32),
        present=present,
        starts=(sizes.cumsum(0) - sizes).to(torch.int32),
    )


def log_fits(odds: Tensor, by_class: Tensor, classes: Tensor) -> Tensor:
    """Log fits log sum_v odds q of some classes per image and attribute [k, n, T].

    Args:
        odds: Bounded odds of each value given the image [T, V, n].
        by_class: The table [C, V, T].
        classes: Class indices [k, n].
    """
    attributes, values, images = odds.shape
    width, cells = len(classes), attributes * values
    rows = odds.transpose(0, 1).reshape(cells, images).T.contiguous()
    table = by_class.reshape(len(by_class), cells)
    fits = odds.new_empty(width, images, attributes)
    # All k classes of few images at a time: the copies of the table's rows do not leave the cache.
    for step in image_steps(images, width * cells, most=CACHE_ELEMENTS):
        some = classes[:, step]
        copies = table.index_select(0, some.reshape(-1)).view(*some.shape, cells)
        products = copies.mul_(rows[step]).view(*some.shape, values, attributes)
        torch.sum(products, 2, out=fits[:, step])
    return fits.clamp_(min=LEAST_FIT).log_().mul_(valued(by_class.transpose(1, 2)))


def valued(q: Tensor) -> Tensor:
    """1 for attributes that have values, 0 for the others [T] float32."""
    return (q.sum(-1) > 0).any(0).to(torch.float32)


def _score_some(
    view: AttributeEvidence,
    q: Tensor,
    names: Tensor | None,
    blocks: list[_Block],
    shape: torch.Size,
    evidence: ClassEvidence | None,
) -> Tensor:
    """L [N, k] over each image's candidates, -inf where one is missing."""
    by_class = q.transpose(1, 2).contiguous()
    scores = q.new_empty(shape)

    def score(block: _Block) -> tuple[Tensor, Tensor] | None:
        odds = view.odds(view.seen(block.images))
        fits = log_fits(odds, by_class, block.own)
        total = fits.sum(-1)
        if names is not None:
            own = names[block.images]
            total += (own if names.shape[1] != len(q) else own.gather(1, block.own.T)).T
        if block.missing is not None:
            total.masked_fill_(block.missing, -torch.inf)
        scores[block.images] = total.T
        if evidence is None:
            return None
        total += evidence.log_prior[block.own]
        others = torch.sub(total[..., None], fits, out=fits).softmax(0)
        if block.missing is not None:
            others.nan_to_num_(0.0)  # images without candidates
        return _summed(block, others.flatten(0, 1), view.logs(odds))

    for block, found in zip(blocks, side_by_side(score, blocks), strict=True):
        if evidence is not None and found is not None:
            evidence.total.index_add_(0, block.present, found[0])
            evidence.weight.index_add_(0, block.present, found[1])
    return scores


def _summed(block: _Block, others: Tensor, logs: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over a block's images of R l [m, T, V] and of R [m, T], from R [k n, T] and l [T, V, n]."""
    by_pair = others.index_select(0, block.order).T.contiguous()
    by_image = logs.transpose(1, 2).contiguous()
    total = torch.stack(
        [
            embedding_bag(block.rows, own, block.starts, mode="sum", per_sample_weights=weights)
            for own, weights in zip(by_image, by_pair, strict=True)
        ],
        dim=1,
    )
    return total, embedding_bag(block.order, others, block.starts, mode="sum")


def _score_all(
    view: AttributeEvidence,
    q: Tensor,
    names: Tensor | None,
    mask: Tensor | None,
    evidence: ClassEvidence | None,
) -> Tensor:
    """L [N, C] over all classes, -inf outside the mask."""
    classes, attributes, values = q.shape
    by_value = q.permute(1, 2, 0).contiguous()  # [T, V, C]
    has_values = valued(q)[:, None, None]
    scores = q.new_empty(view.images, classes)
    cells = attributes * classes

    def score(step: slice) -> tuple[Tensor, Tensor] | None:
        odds = view.odds(view.seen(step))
        fits = torch.bmm(odds.transpose(1, 2), by_value).clamp_(min=LEAST_FIT).log_().mul_(has_values)
        total = fits.sum(0)
        if names is not None:
            total += names[step]
        if mask is not None:
            total.masked_fill_(~mask[step], -torch.inf)
        scores[step] = total
        if evidence is None:
            return None
        others = torch.sub(total + evidence.log_prior, fits, out=fits).softmax(-1)
        if mask is not None:
            others.nan_to_num_(0.0)  # images without candidates
        return torch.bmm(view.logs(odds), others).permute(2, 0, 1), others.sum(1).T

    # A step's sums have as many cells as a step of V images: it takes several times as many.
    most = min(max(CACHE_ELEMENTS, 4 * values * cells), STEP_ELEMENTS // 3)
    for found in side_by_side(score, image_steps(view.images, cells, most=most)):
        if evidence is not None and found is not None:
            evidence.total += found[0]
            evidence.weight += found[1]
    return scores
