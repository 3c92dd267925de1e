"""Merge names and phrases that mean the same: by spelling, then by average-linkage on centred vectors."""

import re
from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.scoring.vectors import unit

_SPELLINGS = {"color": "colour", "gray": "grey", "colored": "coloured", "center": "centre", "fiber": "fibre"}
_GENITIVE = re.compile(r"(\w+) of (?:the |its |their )?(\w+(?: \w+)?)")
_NEGATION = re.compile(
    r"\b(?:no|not|non|none|without|lacks?|lacking|absent|absence|never|neither)\b|\w+less\b"
)


def normal_name(name: str) -> str:
    """A name without case, punctuation, American spelling and plural: "Bill-Colors" → "bill colour".

    "Shape of the bill" becomes "bill shape".

    Returns:
        Words joined by single spaces; the bare lower-case text where no letter or digit is left.
    """
    words = re.findall(r"[^\W_]+", name.casefold())
    if not words:
        return name.casefold().strip()
    plain = " ".join(_SPELLINGS.get(word, word) for word in map(_singular, words))
    turned = _GENITIVE.fullmatch(plain)
    return f"{turned[2]} {turned[1]}" if turned else plain


def normal_phrase(phrase: str) -> str:
    """A value phrase in lower case, with single spaces and without closing punctuation."""
    return " ".join(phrase.casefold().split()).strip(" .;:,")


def is_negative(phrase: str) -> bool:
    """Whether an English phrase speaks of an absence ("no crest", "a crestless head").

    CLIP's text vectors barely tell a phrase from its negation, so the words have to.
    """
    return bool(_NEGATION.search(phrase.casefold()))


def centred_unit(vectors: Tensor) -> Tensor:
    """Unit rows after taking off the mean of the unit rows.

    Prompts that share a frame all have high cosines; what they differ in is left after centring.

    Args:
        vectors: [M, D].

    Returns:
        [M, D] float32; a row equal to the mean becomes zero.
    """
    rows = unit(vectors)
    return unit(rows - rows.mean(dim=0)) if len(rows) else rows


class Meanings:
    """Vectors of phrases, compared after centring over all of them.

    Args:
        vectors: [M, D], not centred.
    """

    def __init__(self, vectors: Tensor) -> None:
        self._raw = unit(vectors)
        self._centred = centred_unit(vectors)

    def similarity(self, rows: Sequence[int] | slice, columns: Sequence[int]) -> Tensor:
        """Cosines of centred vectors; 1 for phrases whose vectors are as good as equal.

        Where all phrases say the same, centring leaves nothing to compare.
        """
        cosines = self._centred[rows] @ self._centred[columns].T
        return cosines.masked_fill(self._raw[rows] @ self._raw[columns].T > 1 - 1e-5, 1.0)


def cluster(similarity: Tensor, *, threshold: float, apart: Collection[tuple[int, int]] = ()) -> list[int]:
    """Average-linkage clustering: merge the two clusters with the highest mean similarity, while it lasts.

    Args:
        similarity: Symmetric [M, M].
        threshold: Clusters whose mean similarity is below stay apart.
        apart: Pairs that must never share a cluster.

    Returns:
        Cluster of each item, numbered by first appearance. Among equal similarities the pair that comes
        first merges first, so that sorted items give one answer.

    Raises:
        InputError: If `similarity` is not square.
    """
    size = len(similarity)
    if similarity.shape != (size, size):
        raise InputError(f"Similarities {tuple(similarity.shape)} are not square.", hint="Give [M, M].")
    table = similarity.to(torch.float64).numpy().copy()
    np.fill_diagonal(table, -np.inf)
    for first, second in apart:
        table[first, second] = table[second, first] = -np.inf
    weight = np.ones(size)
    owner = np.arange(size)
    best = table.argmax(axis=1) if size else np.zeros(0, dtype=int)
    while size > 1:
        peaks = table[np.arange(size), best]
        first = int(peaks.argmax())
        if not peaks[first] >= threshold:
            break
        first, second = sorted((first, int(best[first])))
        # Mean similarity to the union; -inf of a forbidden member stays -inf.
        row = (weight[first] * table[first] + weight[second] * table[second]) / (
            weight[first] + weight[second]
        )
        row[[first, second]] = -np.inf
        table[first], table[:, first] = row, row
        table[second], table[:, second] = -np.inf, -np.inf
        weight[first] += weight[second]
        owner[owner == second] = first
        stale = (best == first) | (best == second)
        stale[first] = True
        best[stale] = table[stale].argmax(axis=1)
        risen = ~stale & (row > table[np.arange(size), best])
        best[risen] = first
    numbers: dict[int, int] = {}
    return [numbers.setdefault(int(root), len(numbers)) for root in owner]


def merge_values(
    vectors: Tensor,
    attribute: Sequence[int],
    *,
    threshold: float,
    apart: Collection[tuple[int, int]] = (),
) -> list[int]:
    """Merge value phrases of the same attribute that mean the same.

    Args:
        vectors: Text vectors of the phrases [M, D], not centred.
        attribute: Attribute of each phrase; only phrases of one attribute merge.
        threshold: Least mean cosine of centred vectors between two clusters that merge.
        apart: Pairs of phrases that must stay apart (contrasted in one answer, or of opposite polarity).

    Returns:
        Cluster of each phrase, numbered by first appearance over all phrases.
    """
    meanings = Meanings(vectors)
    members: dict[int, list[int]] = {}
    place: list[int] = []
    for index, owner in enumerate(attribute):
        place.append(len(members.setdefault(owner, [])))
        members[owner].append(index)
    local_apart: dict[int, list[tuple[int, int]]] = {}
    for first, second in apart:
        if attribute[first] == attribute[second]:
            local_apart.setdefault(attribute[first], []).append((place[first], place[second]))
    found: list[tuple[int, int]] = [(0, 0)] * len(attribute)
    for owner, own in members.items():
        groups = cluster(meanings.similarity(own, own), threshold=threshold, apart=local_apart.get(owner, ()))
        for index, group in zip(own, groups, strict=True):
            found[index] = (owner, group)
    numbers: dict[tuple[int, int], int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in found]


def merge_attributes(
    vectors: Tensor,
    attribute: Sequence[int],
    weights: Sequence[float],
    *,
    threshold: float,
    apart: Collection[tuple[int, int]] = (),
) -> list[int]:
    """Merge attributes whose value phrases mean the same.

    Two attributes are as similar as their phrases are, each phrase compared with its nearest in the other
    attribute (mean over phrases by weight, the lesser of both directions), so that "beak colour" with
    {a red beak} joins "bill colour" with {a crimson bill, a yellow bill} only if both sides find a match.

    Args:
        vectors: Text vectors of the phrases [M, D], not centred.
        attribute: Attribute of each phrase, 0 to A - 1, each with at least one phrase.
        weights: Weight of each phrase (its votes).
        threshold: Least similarity of two attributes that merge.
        apart: Pairs of attributes that must stay apart (both named in one answer).

    Returns:
        Merged attribute of each of the A attributes, numbered by first appearance.
    """
    count = max(attribute, default=-1) + 1
    member = torch.zeros(count, len(attribute))
    if count:
        member[torch.tensor(attribute), torch.arange(len(attribute))] = torch.tensor(
            weights, dtype=torch.float32
        )
    meanings = Meanings(vectors)
    toward = torch.zeros(count, count)
    for other in range(count):
        theirs = member[other].nonzero().flatten().tolist()
        nearest = meanings.similarity(slice(None), theirs).max(dim=1).values
        toward[:, other] = (member @ nearest) / member.sum(dim=1)
    return cluster(torch.minimum(toward, toward.T), threshold=threshold, apart=apart)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
