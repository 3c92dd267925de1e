"""Chooses a name for each group of images, checks it against the images, and joins groups of one name."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from fieldmark.records.names import plain_name
from fieldmark.tools.discovery.caption_words import caption_phrases, caption_words
from fieldmark.tools.discovery.groups import ImageGroups
from fieldmark.tools.discovery.mentions import LEAST_SHARE, Mentions
from fieldmark.tools.scoring.vectors import Encode, encode_unit
from fieldmark.tools.statistics.agreement import auroc

TEMPLATE = "a photo of a {}"
CAPTIONS = 8.0
"""What a phrase in all of a group's captions and in no other's weighs, in logits of the encoder."""
SURE = 0.98
"""How often an image of the group must fit a name better than another image does, for the name to be sure."""
BESIDE = 0.9
TRIED = 5
"""Two groups of one name stay two where one of so many further names fits the one better this often."""
OTHERS = 3
"""Further names that are kept."""


@dataclass(frozen=True)
class GroupName:
    """What a group is called.

    Attributes:
        groups: The groups that it was joined of, by number.
        images: Its images [m] int64, the most typical one first.
        name: Its name, unlike that of every other group; "" where nothing was said of it.
        sureness: How often an image of the group fits the name better than one that is not in it (AUROC).
        similarity: Mean cosine of its images with the name.
        gain: The same, less that with the word that says what it is: "heron" of "red heron", and of "heron
            with a red cap". A name that the encoder does not know gains nothing by it.
        others: Names that came next.
        asked: Whether a language model gave the name.
    """

    groups: tuple[int, ...]
    images: Tensor
    name: str
    sureness: float
    similarity: float
    gain: float
    others: tuple[str, ...]
    asked: bool

    @property
    def sure(self) -> bool:
        """Whether the encoder sees that the name, all of it, tells the group from the other images."""
        longer = len(self.name.split()) > 1
        return bool(self.name) and self.sureness >= SURE and (self.gain > 0 or not longer)


def name_groups(
    vectors: Tensor,
    groups: ImageGroups,
    encode: Encode,
    *,
    logit_scale: float,
    mentions: Mentions | None = None,
    asked: Mapping[int, Sequence[str]] | None = None,
    taken: Collection[str] = (),
    join: bool = True,
) -> tuple[GroupName, ...]:
    """Name groups, each by another name.

    A name's score in a group is ``s·(cos in the group − cos in all images) + 8·(share − mean over groups)``:
    cos is the mean cosine of images with "a photo of a <name>", s the encoder's factor, and share how much of
    what is said of the group has the name: of the captions near it (`Mentions.share`), or, of names that a
    language model gave, 1 for the first, 0.9 for the second, and so on. Groups and names are matched so that
    the sum is largest, no name twice. Two groups that want one name, or one that ends the other ("heron",
    "large heron"), are one group where that name then sets it apart from all other images (`SURE`), and no
    name that is nearly as good sets one of them apart.

    Args:
        vectors: Unit vectors of all images [N, D] float32; those of no group are compared with, too.
        groups: The groups; `number` is -1 for images of none.
        encode: Texts to vectors.
        logit_scale: The encoder's factor s on cosines.
        mentions: What captions say.
        asked: What a language model called groups, the best name first.
        taken: Names that are given already, and to no group.
        join: Whether groups of one name are joined.
    """
    candidates = _candidates(groups, mentions, asked or {}, taken)
    if not candidates.names:
        return tuple(
            GroupName((at,), own, "", 0.0, 0.0, 0.0, (), False) for at, own in enumerate(groups.typical)
        )
    texts = encode_unit([TEMPLATE.replace("{}", name) for name in candidates.names], encode)
    members = [own.tolist() for own in groups.typical]
    numbers: list[tuple[int, ...]] = [(at,) for at in range(len(members))]
    share = candidates.share
    words = [caption_words(name) or [name] for name in candidates.names]
    usual = vectors.mean(0)
    fit = torch.stack([vectors[own].mean(0) - usual for own in members]) @ texts.T * logit_scale
    apart = _Apart(vectors, texts, groups)
    while True:
        scores = _scores(fit, share)
        pair = _one_name(numbers, scores, words, apart) if join else None
        if pair is None:
            break
        kept, gone = pair
        sizes = torch.tensor([[float(len(members[kept]))], [float(len(members[gone]))]])
        for rows in (share, fit):  # both are means over a group's images
            rows[kept] = (rows[[kept, gone]] * sizes).sum(0) / sizes.sum()
        members[kept] += members.pop(gone)
        numbers[kept] += numbers.pop(gone)
        share, fit = (torch.cat([rows[:gone], rows[gone + 1 :]]) for rows in (share, fit))
    return _matched(vectors, numbers, members, scores, candidates, texts, encode, apart)


@dataclass(frozen=True)
class _Candidates:
    names: tuple[str, ...]
    share: Tensor
    """[G, P] float32."""
    asked: frozenset[str]


def _candidates(
    groups: ImageGroups, mentions: Mentions | None, asked: Mapping[int, Sequence[str]], taken: Collection[str]
) -> _Candidates:
    barred = {plain_name(name) for name in taken}
    spelled = {} if mentions is None else {plain_name(phrase): phrase for phrase in mentions.phrases}
    given = {plain_name(name): name for names in asked.values() for name in names}
    spelled = {plain: name for plain, name in {**spelled, **given}.items() if plain not in barred}
    place = {plain: at for at, plain in enumerate(spelled)}
    share = torch.zeros(len(groups.typical), len(place))
    if mentions is not None:
        for at, phrase in enumerate(mentions.phrases):
            if (column := place.get(plain_name(phrase))) is not None:
                share[:, column] = mentions.share[:, at]
    for group, names in asked.items():
        for rank, name in enumerate(names):
            if (column := place.get(plain_name(name))) is not None:
                share[group, column] = max(float(share[group, column]), 1 - 0.1 * rank)
    return _Candidates(tuple(spelled.values()), share, frozenset(given.values()))


def _scores(fit: Tensor, share: Tensor) -> Tensor:
    """Score of each name in each group [G, P]; -inf where hardly anything that is said of a group has it."""
    usual = share.mean(0) if len(share) > 1 else torch.zeros_like(share[0])
    scores = fit + CAPTIONS * (share - usual)
    least = (share.max(1, keepdim=True).values / 2).clamp(max=LEAST_SHARE)
    return scores.masked_fill((share < least) | (share == 0), -torch.inf)


class _Apart:
    """How often an image of some groups fits a name better than another image does (AUROC), ties half.

    Groups are joined one pair at a time, and most stay as they are: each name's images are ranked once, the
    ranks of a joined group are those of its parts added up (Mann & Whitney 1947), and pairs are remembered.

    Args:
        vectors: Unit vectors of the images [N, D].
        texts: Unit vectors of the names [P, D].
        groups: The groups before any was joined.
    """

    def __init__(self, vectors: Tensor, texts: Tensor, groups: ImageGroups) -> None:
        self._vectors, self._texts, self._own = vectors, texts, groups.typical
        self._sizes = [len(own) for own in groups.typical]
        self._ranks: dict[int, NDArray[np.float64]] = {}
        self._pairs: dict[tuple[int, tuple[int, ...], tuple[int, ...]], float] = {}

    def from_all(self, name: int, groups: Sequence[int]) -> float:
        """Images of groups against all others; 0 where there are none."""
        if name not in self._ranks:
            ranks = rankdata((self._vectors @ self._texts[name]).numpy())
            self._ranks[name] = np.array([ranks[own.numpy()].sum() for own in self._own])
        own = sum(self._sizes[group] for group in groups)
        rest = len(self._vectors) - own
        won = self._ranks[name][list(groups)].sum() - own * (own + 1) / 2
        return float(won / (own * rest)) if rest else 0.0

    def from_group(self, name: int, own: tuple[int, ...], other: tuple[int, ...]) -> float:
        """Images of groups against those of others alone."""
        key = (name, own, other)
        if key not in self._pairs:
            images = torch.cat([self._own[group] for group in (*own, *other)])
            inside = np.zeros(len(images))
            inside[: sum(self._sizes[group] for group in own)] = 1
            cosines = (self._vectors[images] @ self._texts[name]).numpy().astype(np.float64)
            self._pairs[key] = float(auroc(inside, cosines, np.ones((1, len(inside))))[0])
        return self._pairs[key]


def _one_name(
    numbers: Sequence[tuple[int, ...]], scores: Tensor, words: Sequence[Sequence[str]], apart: _Apart
) -> tuple[int, int] | None:
    """Two groups that are one, by the words of their best names; None where there are none."""
    best: list[int] = scores.argmax(1).tolist()
    by_end: dict[str, list[int]] = {}
    for group, at in enumerate(best):
        if not torch.isinf(scores[group, at]):
            by_end.setdefault(words[at][-1], []).append(group)
    for alike in by_end.values():
        for first, second in combinations(alike, 2):
            short, long = sorted((best[first], best[second]), key=lambda at: len(words[at]))
            if words[long][-len(words[short]) :] != words[short]:
                continue
            one = apart.from_all(short, (*numbers[first], *numbers[second])) >= SURE
            if one and not any(
                _own_name(numbers[group], numbers[other], scores[group], apart, barred=(short, long))
                for group, other in ((first, second), (second, first))
            ):
                return first, second
    return None


def _own_name(
    own: tuple[int, ...], other: tuple[int, ...], scores: Tensor, apart: _Apart, *, barred: Collection[int]
) -> bool:
    """Whether a name nearly as good as a group's best one sets it apart, from another group above all."""
    for at in scores.argsort(descending=True, stable=True)[: TRIED + len(barred)].tolist():
        if at in barred or scores[at] < scores.max() - CAPTIONS / 2:
            continue
        if apart.from_group(at, own, other) >= BESIDE and apart.from_all(at, own) >= SURE:
            return True
    return False


def _matched(
    vectors: Tensor,
    numbers: Sequence[tuple[int, ...]],
    members: Sequence[Sequence[int]],
    scores: Tensor,
    candidates: _Candidates,
    texts: Tensor,
    encode: Encode,
    apart: _Apart,
) -> tuple[GroupName, ...]:
    # Importing scipy.optimize takes a while.
    from scipy.optimize import linear_sum_assignment

    never = float(scores[scores.isfinite()].min()) - 1e3 if scores.isfinite().any() else -1e3
    rows, columns = linear_sum_assignment(scores.clamp(min=never).numpy(), maximize=True)
    chosen = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    heads = {at: (caption_phrases(name) or [name])[0] for at, name in enumerate(candidates.names)}
    plain = list(dict.fromkeys(heads[at] for at in chosen.values()))
    plain_texts = dict(
        zip(plain, encode_unit([TEMPLATE.replace("{}", each) for each in plain], encode), strict=True)
    )
    found: list[GroupName] = []
    for group, own in enumerate(members):
        images = torch.tensor(own)
        at = chosen.get(group)
        if at is None or torch.isinf(scores[group, at]):
            found.append(GroupName(numbers[group], images, "", 0.0, 0.0, 0.0, (), False))
            continue
        cosines = vectors @ texts[at]
        next_best = [
            candidates.names[other]
            for other in scores[group].argsort(descending=True, stable=True)[: OTHERS + 1].tolist()
            if other != at and not torch.isinf(scores[group, other])
        ]
        name = candidates.names[at]
        found.append(
            GroupName(
                groups=numbers[group],
                images=images,
                name=name,
                sureness=apart.from_all(at, numbers[group]),
                similarity=float(cosines[images].mean()),
                gain=float((cosines - vectors @ plain_texts[heads[at]])[images].mean()),
                others=tuple(next_best[:OTHERS]),
                asked=name in candidates.asked,
            )
        )
    return tuple(sorted(found, key=lambda each: -len(each.images)))
