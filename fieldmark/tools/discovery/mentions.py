"""What captions near a group's images call them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.tools.discovery.caption_words import caption_phrases
from fieldmark.tools.discovery.groups import ImageGroups
from fieldmark.tools.discovery.near_captions import near_captions
from fieldmark.tools.scoring.vectors import unit

NEAR = 10
DUPLICATE = 0.94
"""How many captions are near an image, and from which cosine on two are one: constants of CaSED."""
LEAST_SHARE = 0.1
"""Share of a group's near captions that must hold a phrase, or half that of the most frequent one."""


@dataclass(frozen=True)
class Mentions:
    """Phrases of captions, by group.

    Attributes:
        phrases: Distinct phrases [P].
        share: Share of the captions near a group's images that hold each [G, P] float32.
        captions: For each group captions near its images, the one nearest to all of them first.
    """

    phrases: tuple[str, ...]
    share: Tensor
    captions: tuple[tuple[str, ...], ...]


def mentions_of(
    vectors: Tensor, groups: ImageGroups, captions: Sequence[str], caption_vectors: Tensor, *, most: int = 12
) -> Mentions:
    """Find what captions call each group.

    Args:
        vectors: Unit image vectors [N, D] float32.
        groups: Groups of these images; an image of none has the number -1.
        captions: Captions of whatever images [M].
        caption_vectors: Their unit vectors [M, D].
        most: How many captions are kept a group.
    """
    grouped = groups.number >= 0
    near = near_captions(vectors[grouped], caption_vectors, k=NEAR, duplicate=DUPLICATE)
    weight = near.kept / near.kept.sum(1, keepdim=True)
    use = torch.zeros(len(groups.typical), len(captions))
    sizes = torch.tensor([len(own) for own in groups.typical])
    owner = groups.number[grouped, None].expand_as(near.index)
    use.index_put_((owner.flatten(), near.index.flatten()), weight.flatten(), accumulate=True)
    use /= sizes[:, None]
    used: list[int] = use.any(0).nonzero()[:, 0].tolist()
    said = {caption: sorted(set(caption_phrases(captions[caption]))) for caption in used}
    place = {phrase: at for at, phrase in enumerate(dict.fromkeys(p for own in said.values() for p in own))}
    share = torch.zeros(len(use), len(place))
    for caption, own in said.items():
        share[:, [place[phrase] for phrase in own]] += use[:, caption, None]
    most_said = share.max(1, keepdim=True).values if place else share
    kept = ((share >= (most_said / 2).clamp(max=LEAST_SHARE)) & (share > 0)).any(0)
    means = torch.stack([vectors[own].mean(0) for own in groups.typical])
    near_first = (means @ unit(caption_vectors).T).masked_fill(use == 0, -torch.inf)
    nearest: list[list[int]] = near_first.argsort(dim=1, descending=True, stable=True)[:, :most].tolist()
    return Mentions(
        phrases=tuple(phrase for phrase, at in place.items() if bool(kept[at])),
        share=share[:, kept],
        captions=tuple(
            tuple(captions[at] for at in own if use[group, at] > 0) for group, own in enumerate(nearest)
        ),
    )
