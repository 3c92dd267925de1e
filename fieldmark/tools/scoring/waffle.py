"""WaffleCLIP: DCLIP with random words and characters for descriptors, the control for every description."""

import math
import random
import statistics
from collections.abc import Mapping, Sequence

from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.books.wording import descriptor_prompt
from fieldmark.tools.scoring.dclip import mean_cosine_scores
from fieldmark.tools.scoring.plain_words import PLAIN_CHARACTERS, PLAIN_WORDS
from fieldmark.tools.scoring.vectors import Encode

PAIRS = 15
"""Random descriptors come in pairs, one of words and one of characters: 30 texts a class."""

SEEDS = range(7)
"""The seeds that the authors report a mean and a spread over."""


def waffle_scores(
    image_vectors: Tensor,
    encode: Encode,
    names: Sequence[str],
    *,
    seed: int,
    pairs: int = PAIRS,
    concept: str | None = None,
    descriptors: Mapping[str, Sequence[str]] | None = None,
) -> Tensor:
    """Mean cosine of each image with a class name and random descriptors.

        score[n,c] = mean over d of cos(x_n, text(c, d)),  d random and the same for all classes

    One seed is one draw: report the mean and the spread over `SEEDS`.

    Source: Roth et al. 2023 (WaffleCLIP), section 3.3, and released code. See `waffle_prompts`.

    Args:
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; called once, with each distinct text once.
        names: Class names in the order of the scores' columns.
        seed: Decides the random descriptors.
        pairs: See `waffle_descriptors`.
        concept: See `waffle_prompts`.
        descriptors: See `waffle_prompts`.

    Returns:
        Scores [N, C], float32.

    Raises:
        InputError: If there is no class, `pairs` is below 1, or a class lacks real descriptors.
    """
    prompts = waffle_prompts(names, seed=seed, pairs=pairs, concept=concept, descriptors=descriptors)
    return mean_cosine_scores(image_vectors, encode, prompts)


def waffle_prompts(
    names: Sequence[str],
    *,
    seed: int,
    pairs: int = PAIRS,
    concept: str | None = None,
    descriptors: Mapping[str, Sequence[str]] | None = None,
) -> list[list[str]]:
    """The texts of each class: "A photo of a {name}, which has {random}.", clauses chosen as in DCLIP.

    With a concept: "A photo of a {concept}: a {name}, which has {random}." With real descriptors there are
    as many texts a class as without (30): 10 random pairs, the same for all classes, and 20 real descriptors,
    drawn with replacement from the class's own, make 40, of which each class draws 30.

    Where this differs from the released code: it puts the random descriptors of one class into all others by
    replacing that class's name, which also replaces the name inside other words; here they are put to each
    name.

    Source: Roth et al. 2023, sections 3.3 and 3.4; released code (modes "waffle" and "waffle_and_gpt").

    Args:
        names: Class names; underscores become spaces.
        seed: Decides everything random.
        pairs: See `waffle_descriptors`.
        concept: What all classes are ("food"); none where not given.
        descriptors: Class name to real descriptors, to be mixed in; an empty list counts as one empty
            descriptor.

    Returns:
        One list of texts per class: 2 `pairs` of them, or 3 (2 `pairs` // 3) with real descriptors.

    Raises:
        InputError: If there is no class, `pairs` is below 1, or `descriptors` lacks a class.
    """
    start = "A photo of a " if concept is None else f"A photo of a {concept}: a "
    if descriptors is None:
        shared = waffle_descriptors(names, seed=seed, pairs=pairs)
        return [[start + descriptor_prompt(name, item, after=".") for item in shared] for name in names]
    missing = [name for name in names if name not in descriptors]
    if missing:
        raise InputError(
            f"{len(missing)} classes have no descriptors, e.g. {missing[0]!r}.",
            hint="Give a list for every class, empty where there are none, or no descriptors at all.",
        )
    fewer = max(1, 2 * pairs // 3)
    shared = waffle_descriptors(names, seed=seed, pairs=fewer)
    draw = random.Random(f"{seed} real")
    prompts: list[list[str]] = []
    for name in names:
        real = draw.choices(list(descriptors[name]) or [""], k=2 * fewer)
        mixed = draw.sample(shared + real, k=3 * fewer)
        prompts.append([start + descriptor_prompt(name, item, after=".") for item in mixed])
    return prompts


def waffle_descriptors(names: Sequence[str], *, seed: int, pairs: int = PAIRS) -> list[str]:
    """Random descriptors shaped like the class names: words and characters by turns.

        words       as many as a class name has on average (at least 1), each cut to the average length of a
                    name's words
        characters  g groups joined by ", "; g = 1 + the average number of spaces in a name; L = the average
                    length of a name's longest word, rounded up; each group has (L + g - L mod g) / g
                    characters (where g divides L, one more than L / g, as in the released code)

    Where this differs from the released code: the words are ours (`PLAIN_WORDS`), the characters are a fixed
    set rather than those of a descriptor file, underscores count as spaces, and the random generator is
    Python's: the same seed gives other texts.

    Source: Roth et al. 2023, section 3.3 and appendix; released code (mode "waffle").

    Args:
        names: Class names.
        seed: Decides the draw.
        pairs: How many of each kind, at least 1.

    Returns:
        2 `pairs` descriptors, a random-word one first.

    Raises:
        InputError: If there is no class, or `pairs` is below 1.
    """
    if not names or pairs < 1:
        raise InputError(
            f"{pairs} pairs of random descriptors for {len(names)} classes.",
            hint="Give at least one class name and at least one pair.",
        )
    words = [name.replace("_", " ").split(" ") for name in names]
    count = max(1, round(statistics.fmean(len(own) for own in words)))
    length = max(1, round(statistics.fmean(statistics.fmean(map(len, own)) for own in words)))
    groups = round(statistics.fmean(len(own) - 1 for own in words)) + 1
    longest = math.ceil(statistics.fmean(max(map(len, own)) for own in words))
    size = (longest + groups - longest % groups) // groups
    draw = random.Random(seed)
    found: list[str] = []
    for _ in range(pairs):
        found.append(" ".join(draw.choice(PLAIN_WORDS)[:length] for _ in range(count)))
        found.append(", ".join("".join(draw.choices(PLAIN_CHARACTERS, k=size)) for _ in range(groups)))
    return found
