"""CaSED: a word for each image from the captions nearest to it, no class names given; and two controls."""

import numpy as np

from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need
from fieldmark.tools.scoring.cased import CasedOptions, CasedResult, cased

_SOURCE = "Conti et al. 2023"


async def by_captions(bench: Bench) -> MethodScores:
    """The likeliest word of the ten nearest captions, with the authors' constants.

    Candidates are single words, as the authors': of "a crested heron" the words "crested" and "heron". A
    name of two words can be met by one that stands for it alone: cluster accuracy counts that as right,
    semantic IoU as half.
    """
    return MethodScores(names=tuple(words(bench).predicted))


async def by_nearest_caption(bench: Bench) -> MethodScores:
    """Control: the likeliest word of the one nearest caption."""
    return MethodScores(names=tuple(words(bench, CasedOptions(captions=1, least_count=1)).predicted))


async def by_chance(bench: Bench) -> MethodScores:
    """Control: any one of the words that CaSED chooses from."""
    found = words(bench)
    starts = found.starts.numpy()
    draws = np.random.default_rng(bench.seed).integers(np.diff(starts))
    return MethodScores(
        names=tuple(found.vocabulary[word] for word in found.words.numpy()[starts[:-1] + draws])
    )


def words(bench: Bench, options: CasedOptions | None = None) -> CasedResult:
    """Words of the captions near each image."""
    return cased(
        bench.vectors,
        bench.encode,
        caption_vectors=bench.encode(bench.captions),
        captions=bench.captions,
        logit_scale=bench.logit_scale,
        options=options,
    )


_NEEDS = frozenset({Need.CAPTIONS})

METHODS = (
    Method(key="cased", title="CaSED", source=_SOURCE, needs=_NEEDS, run=by_captions),
    Method(
        key="caption-words",
        title="Best word of the nearest caption",
        source="Fieldmark",
        needs=_NEEDS,
        run=by_nearest_caption,
    ),
    Method(
        key="random-word",
        title="Random word of near captions",
        source="Fieldmark",
        needs=_NEEDS,
        run=by_chance,
        seeded=True,
    ),
)
