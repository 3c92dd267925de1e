"""Which classes the evidence leaves an image: one where it is sure, none where no class fits."""

import torch
from torch import Tensor

from fieldmark.agents.resolve.evidence import WeighedEvidence
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.tools.scoring.evidence.fit import cut
from fieldmark.tools.scoring.evidence.labels import NONE_OF_THESE

HALF_KNOWN = 0.5
"""From this belief on, the encoder counts as knowing a name."""


def classes_left(
    found: WeighedEvidence,
    kept: Tensor,
    undescribed: Tensor | None,
    options: ResolveOptions,
) -> Tensor:
    """Leave one class where it is sure, none where no class fits, and two or more elsewhere.

    A class that neither its name nor an answer describes could be the true one of any image that only votes
    describe: such images stay open until its row of the table is filled. An image is sure where the chance
    that its label is wrong, or that it is of no listed class, is within the risk.

    Args:
        found: What names and votes say.
        kept: The classes that the candidate rule leaves `[N, C]` bool.
        undescribed: Classes that answers say too little of `[C]` bool; None where nothing was asked yet.
        options: The risk and the share of false rejections that are allowed.

    Returns:
        `[N, C]` bool.
    """
    evidence = found.evidence
    best = evidence.log_p.topk(min(2, kept.shape[1]), dim=1).indices
    known = evidence.names.known >= HALF_KNOWN
    unheard = ~known if undescribed is None else ~known & undescribed
    heard = known[best[:, 0]] if unheard.any() else torch.ones(len(kept), dtype=torch.bool)
    listed = 1 - found.unlisted if options.reject else torch.ones_like(found.unlisted)
    sure = (evidence.sureness.certainty * listed > 1 - options.risk) & heard
    rejected = (found.fit < cut(options.reject)) & heard
    if options.reject:
        rejected = rejected | found.told_none
    none = torch.zeros_like(kept)
    several = kept | unheard | none.scatter(1, best, True)
    left = torch.where(sure[:, None], none.scatter(1, best[:, :1], True), several)
    return torch.where(rejected[:, None], none, left)


def as_labelled(found: WeighedEvidence, left: Tensor) -> Tensor:
    """Leave labelled images their label, and no class where a person said that none fits.

    Args:
        found: What names, votes and labels say.
        left: The classes left `[N, C]` bool.

    Returns:
        `[N, C]` bool.
    """
    decided = (found.labels >= 0) | (found.labels == NONE_OF_THESE)
    rows, labels = found.labelled[decided], found.labels[decided]
    return left.index_copy(0, rows, torch.arange(left.shape[1]) == labels[:, None])
