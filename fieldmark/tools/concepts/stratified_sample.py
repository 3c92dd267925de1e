"""Stratified sampling by score for a blind test, with inverse-probability weights."""

from random import Random

from torch import Tensor

from fieldmark.errors import InputError

STRATA = (0.02, 0.08, 0.2, 0.7)
"""Shares of the pool, from the highest scores down; each gets the same number of test images."""


def draw_stratified(scores: Tensor, count: int, *, seed: int) -> dict[int, float]:
    """Draw the same number of images from each stratum of a score, the small strata of high scores included.

    Uniform sampling of 100 images would find two positives of a concept that holds for one image in fifty.
    The weight of an image is the size of its stratum over the number drawn from it. Weighted means are
    unbiased estimates of means over the pool (Horvitz & Thompson 1952).

    Args:
        scores: `[N]`, higher is likelier: the cosine with the concept's bare name.
        count: Images to draw; all of them where the pool has no more.
        seed: Decides which.

    Returns:
        Row → weight, rows ascending; weights sum to N.

    Raises:
        InputError: There are no images, or none is to be drawn.
    """
    if not len(scores) or count < 1:
        raise InputError(
            f"A blind test of {count} from {len(scores)} images cannot be drawn.", hint="Give a larger pool."
        )
    ranked = scores.argsort(descending=True, stable=True).tolist()
    ends = [round(sum(STRATA[: number + 1]) * len(ranked)) for number in range(len(STRATA))]
    parts = [ranked[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True) if end > start]
    rng = Random(f"fieldmark blind test {seed}")
    drawn: dict[int, float] = {}
    for part, size in zip(parts, _shares([len(part) for part in parts], count), strict=True):
        for row in rng.sample(part, size):
            drawn[row] = len(part) / size
    return dict(sorted(drawn.items()))


def _shares(sizes: list[int], count: int) -> list[int]:
    """Images to draw from each stratum: alike, but no more than there are, and at least one."""
    shares = [0] * len(sizes)
    left = min(count, sum(sizes))
    while left:
        room = [at for at in range(len(sizes)) if shares[at] < sizes[at]]
        each = max(1, left // len(room))
        for at in room:
            more = min(each, sizes[at] - shares[at], left)
            shares[at] += more
            left -= more
    if not all(shares):  # fewer images than strata: every stratum must have a chance, or the weights lie
        raise InputError(
            f"A blind test of {count} images is too small for {len(sizes)} strata.",
            hint=f"Draw at least {len(sizes)}.",
        )
    return shares
