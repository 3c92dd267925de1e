"""CaSED: names images without a list of classes, by words from the captions nearest to each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.discovery.caption_words import Tagger, caption_words, content_words
from fieldmark.tools.discovery.near_captions import NearCaptions, caption_centroids, near_captions
from fieldmark.tools.scoring.vectors import Encode, encode_unit, image_steps

FALLBACK = "object"
"""The only word of an image whose captions leave none."""


@dataclass(frozen=True, kw_only=True)
class CasedOptions:
    """Constants of CaSED.

    Attributes:
        captions: How many captions are retrieved per image.
        duplicate: Captions whose cosine is above are near-duplicates.
        least_count: How often a word must occur in an image's captions.
        alpha: Weight of the image against the captions' centroid, 0 to 1.
        template: The text that is encoded for a word, with {} in its place.
    """

    captions: int = 10
    duplicate: float = 0.94
    least_count: int = 2
    alpha: float = 0.7
    template: str = "{}"

    def __post_init__(self) -> None:
        if self.captions < 1 or not 0 <= self.alpha <= 1 or "{}" not in self.template:
            raise InputError(
                f"Options of CaSED out of range: {self}.",
                hint="captions >= 1, alpha from 0 to 1, a template with {}.",
            )


@dataclass(frozen=True)
class CasedResult:
    """The vocabulary of each image, with scores.

    Attributes:
        vocabulary: Every word of any image [V].
        starts: Where each image's entries begin [N + 1], int64.
        words: Word of each entry, as an index into `vocabulary` [E], int64; ascending within an image.
        scores: Score of each entry [E], float32; an image's sum to 1.
        best: The word that each image is given, as an index into `vocabulary` [N], int64.
    """

    vocabulary: tuple[str, ...]
    starts: Tensor
    words: Tensor
    scores: Tensor
    best: Tensor

    @property
    def predicted(self) -> list[str]:
        """The word that each image is given [N]."""
        return [self.vocabulary[word] for word in self.best.tolist()]

    def words_of(self, image: int) -> dict[str, float]:
        """Words and scores of one image, best first."""
        entries = slice(int(self.starts[image]), int(self.starts[image + 1]))
        pairs = zip(self.words[entries].tolist(), self.scores[entries].tolist(), strict=True)
        return {self.vocabulary[word]: score for word, score in sorted(pairs, key=lambda pair: -pair[1])}


def cased(
    image_vectors: Tensor,
    encode: Encode,
    *,
    caption_vectors: Tensor,
    captions: Sequence[str],
    logit_scale: float,
    tagger: Tagger = content_words,
    options: CasedOptions | None = None,
) -> CasedResult:
    """Retrieve captions, take words from them, and score the words of each image.

    1. The 10 captions nearest to the image. Of those whose cosine with each other is above 0.94, in chains,
       the nearest stays.
    2. Words of the captions left (`caption_words`) that occur at least twice, or, where none does, as often
       as the most frequent; of these, those that the tagger keeps. None left: "object". The count comes
       before the tagger, as in the code.
    3. score = α·softmax(s·cos(f, w)) + (1−α)·softmax(s·cos(m, w)) over the image's own words w, with m the
       unit mean of its captions **before** words were taken from them.

    The released code has α = 0.5 as the default of its class and 0.7 in the configuration of its model,
    which is used here. Its tagger sees the words of an image in order; here it is asked once for all words.

    Each distinct word of the whole pool is encoded once, in one call.

    Source: Conti et al. 2023, section 4 (candidates, then "multimodal scoring"), and released code.

    Args:
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; rows need not be of unit length.
        caption_vectors: Unit vectors of the captions [M, D], of any float type.
        captions: Their texts [M].
        logit_scale: The encoder's factor s on cosines.
        tagger: Which words are nouns, adjectives or verb forms.
        options: The constants.

    Returns:
        Per-image vocabularies with scores.

    Raises:
        InputError: If there are no captions, or shapes do not fit.
        ModelError: If the encoder does not return one row per text.
    """
    options = options or CasedOptions()
    images = image_vectors.to(torch.float32)
    if not len(captions) or caption_vectors.shape != (len(captions), images.shape[-1]):
        raise InputError(
            f"{len(captions)} captions with vectors {tuple(caption_vectors.shape)} do not fit image vectors "
            f"{tuple(image_vectors.shape)}.",
            hint="Give at least one caption, and one vector per caption from the same encoder.",
        )
    near = near_captions(images, caption_vectors, k=options.captions, duplicate=options.duplicate)
    vocabulary, starts, words = _vocabularies(near, captions, tagger, options.least_count)
    starts, words = starts.to(images.device), words.to(images.device)
    texts = [options.template.replace("{}", word) for word in vocabulary]
    vectors = encode_unit(texts, encode) if texts else images.new_empty(0, images.shape[1])
    scores = images.new_empty(len(words))
    best = torch.empty(len(images), dtype=torch.int64, device=images.device)
    largest = int(starts.diff().max()) if len(images) else 0
    for step in image_steps(len(images), 3 * images.shape[1] * largest):
        first, last = int(starts[step.start]), int(starts[step.stop])
        sizes = starts[step.start : step.stop + 1].diff()
        owner = torch.arange(len(sizes), device=images.device).repeat_interleave(sizes)
        rows = vectors[words[first:last]]
        centroids = caption_centroids(near, caption_vectors, step)
        mixed = options.alpha * _shares(images[step], rows, owner, logit_scale)
        mixed += (1 - options.alpha) * _shares(centroids, rows, owner, logit_scale)
        scores[first:last] = mixed
        best[step] = words[first + _first_best(mixed, owner, len(sizes))]
    return CasedResult(tuple(vocabulary), starts, words, scores, best)


def _vocabularies(
    near: NearCaptions, captions: Sequence[str], tagger: Tagger, least_count: int
) -> tuple[list[str], Tensor, Tensor]:
    """The words of the pool, where each image's entries start [N + 1], and the word of each entry [E]."""
    used, place = near.index.cpu().unique(return_inverse=True)
    ids: dict[str, int] = {}
    lists = [
        [ids.setdefault(word, len(ids)) for word in caption_words(captions[caption])]
        for caption in map(int, used.tolist())
    ]
    fallback = ids.setdefault(FALLBACK, len(ids))
    names = list(ids)
    keep = [bool(kept) for kept in tagger(names)]
    if len(keep) != len(names):
        raise InputError(
            f"The tagger answered for {len(keep)} of {len(names)} words.",
            hint="It must return one value per word.",
        )
    said = _Said(
        words=torch.tensor([word for own in lists for word in own], dtype=torch.int64),
        sizes=torch.tensor([len(own) for own in lists], dtype=torch.int64),
        keep=torch.tensor(keep, dtype=torch.bool),
        fallback=fallback,
    )
    longest = max(map(len, lists), default=0)
    owners, words = [], []
    for step in image_steps(len(place), 8 * place.shape[1] * max(1, longest)):
        owner, word = said.by(place[step], near.kept[step].cpu(), least_count)
        owners.append(owner + step.start)
        words.append(word)
    nothing = torch.empty(0, dtype=torch.int64)
    sizes = torch.bincount(torch.cat([nothing, *owners]), minlength=len(place))
    present, own = torch.cat([nothing, *words]).unique(return_inverse=True)
    starts = torch.nn.functional.pad(sizes.cumsum(0), (1, 0))
    return [names[word] for word in present.tolist()], starts, own


@dataclass(frozen=True)
class _Said:
    """What captions say: words as numbers.

    Attributes:
        words: Words of all captions, one caption after the other, int64.
        sizes: How many words each caption has [captions], int64.
        keep: Which words may name something [V], bool.
        fallback: Word of an image that would have none.
    """

    words: Tensor
    sizes: Tensor
    keep: Tensor
    fallback: int

    def by(self, captions: Tensor, kept: Tensor, least_count: int) -> tuple[Tensor, Tensor]:
        """Frequent words that may name something: owner and word of each entry, by owner.

        Args:
            captions: Captions of each image [n, k], int64.
            kept: Which of them count [n, k], bool.
            least_count: How often a word must occur.
        """
        owner, caption = kept.nonzero()[:, 0], captions[kept]
        sizes = self.sizes[caption]
        ends = sizes.cumsum(0)
        starts = (self.sizes.cumsum(0) - self.sizes)[caption]
        within = torch.arange(int(sizes.sum())) - (ends - sizes).repeat_interleave(sizes)
        word = self.words[within + starts.repeat_interleave(sizes)]
        width = len(self.keep)
        pairs, count = (owner.repeat_interleave(sizes) * width + word).unique(return_counts=True)
        owner, word = pairs // width, pairs % width
        peak = count.new_zeros(len(captions)).scatter_reduce(0, owner, count, "amax")
        # Where no word is frequent, the most frequent ones stand in.
        named = (count >= peak[owner].clamp(max=least_count)) & self.keep[word]
        owner, word = owner[named], word[named]
        without = (torch.bincount(owner, minlength=len(captions)) == 0).nonzero().flatten()
        owner = torch.cat([owner, without])
        word = torch.cat([word, torch.full_like(without, self.fallback)])
        order = owner.argsort(stable=True)
        return owner[order], word[order]


def _shares(queries: Tensor, rows: Tensor, owner: Tensor, scale: float) -> Tensor:
    """Softmax of scale·cosine over each query's own rows [e]."""
    logits = scale * (queries[owner] * rows).sum(dim=1)
    peak = logits.new_full((len(queries),), -torch.inf).scatter_reduce(0, owner, logits, "amax")
    weights = (logits - peak[owner]).exp()
    return weights / weights.new_zeros(len(queries)).index_add_(0, owner, weights)[owner]


def _first_best(scores: Tensor, owner: Tensor, count: int) -> Tensor:
    """Entry with the highest score of each owner, the first of equals [count]."""
    peak = scores.new_full((count,), -torch.inf).scatter_reduce(0, owner, scores, "amax")
    candidates = (scores == peak[owner]).nonzero().flatten()
    first = torch.full((count,), len(scores), dtype=torch.int64, device=scores.device)
    return first.scatter_reduce(0, owner[candidates], candidates, "amin")


_SOURCE = "Conti et al. 2023"


async def by_captions(bench: EvalBench) -> MethodScores:
    """The likeliest word of the ten nearest captions, with the authors' constants.

    Candidates are single words, as the authors': of "a crested heron" the words "crested" and "heron". A
    name of two words can be met by one that stands for it alone: cluster accuracy counts that as right,
    semantic IoU as half.
    """
    return MethodScores(names=tuple(words(bench).predicted))


async def by_nearest_caption(bench: EvalBench) -> MethodScores:
    """Control: the likeliest word of the one nearest caption."""
    return MethodScores(names=tuple(words(bench, CasedOptions(captions=1, least_count=1)).predicted))


async def by_random_word(bench: EvalBench) -> MethodScores:
    """Control: any one of the words that CaSED chooses from."""
    found = words(bench)
    starts = found.starts.numpy()
    draws = np.random.default_rng(bench.seed).integers(np.diff(starts))
    return MethodScores(
        names=tuple(found.vocabulary[word] for word in found.words.numpy()[starts[:-1] + draws])
    )


def words(bench: EvalBench, options: CasedOptions | None = None) -> CasedResult:
    """Words of the captions near each image."""
    return cased(
        bench.vectors,
        bench.encode,
        caption_vectors=bench.encode(bench.captions),
        captions=bench.captions,
        logit_scale=bench.logit_scale,
        options=options,
    )


_NEEDS = frozenset({MethodNeed.CAPTIONS})

METHODS = (
    EvalMethod(key="cased", title="CaSED", source=_SOURCE, needs=_NEEDS, run=by_captions),
    EvalMethod(
        key="caption-words",
        title="Best word of the nearest caption",
        source="Fieldmark",
        needs=_NEEDS,
        run=by_nearest_caption,
    ),
    EvalMethod(
        key="random-word",
        title="Random word of near captions",
        source="Fieldmark",
        needs=_NEEDS,
        run=by_random_word,
        seeded=True,
    ),
)
