"""Names the images whose labels would help most, once a run has ended."""

import torch
from torch import Tensor

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.evidence import WeighedEvidence
from fieldmark.records import ImageToLabel
from fieldmark.tools.scoring.evidence.ask import worth_asking

MOST_CANDIDATES = 5


def images_to_label(
    found: WeighedEvidence, shares: Tensor, context: ResolveContext, *, count: int
) -> list[ImageToLabel]:
    """The images to have labelled, the most helpful first.

    Args:
        found: What names, votes and labels say.
        shares: Probability of every class [N, C] float32.
        context: The run.
        count: At most so many; images that somebody said something of are left out, those of a book, too.
    """
    evidence = found.evidence
    known = torch.ones(len(evidence.log_p), dtype=torch.bool)  # so are all beside the pool
    known[: len(context.usable)] = torch.tensor([i.content_hash in context.judges for i in context.usable])
    known[found.labelled] = True
    if evidence.bursts is not None:  # a label of one is that of all
        number = evidence.bursts.number
        first = torch.full((len(number),), len(number)).scatter_reduce_(
            0, number, torch.arange(len(number)), "amin"
        )
        known |= first[number] != torch.arange(len(number))
    rows, of_groups = worth_asking(evidence, count, known)
    sizes = evidence.groups.shares.argmax(1).bincount(minlength=len(context.classes))
    groups = evidence.groups.shares[rows].argmax(1)
    best = shares[rows].topk(min(MOST_CANDIDATES, len(context.classes)), dim=1)
    return [
        ImageToLabel(
            image=str(context.usable[row].path),
            image_hash=context.usable[row].content_hash,
            guess=context.classes[classes[0]],
            candidates=tuple(context.classes[c] for c in classes),
            probabilities=tuple(round(min(1.0, p), 4) for p in likely),
            why=f"typical of {size:,} images that look alike" if typical else "among the least sure images",
        )
        for row, classes, likely, size, typical in zip(
            rows.tolist(),
            best.indices.tolist(),
            best.values.tolist(),
            sizes[groups].tolist(),
            of_groups.tolist(),
            strict=True,
        )
    ]
