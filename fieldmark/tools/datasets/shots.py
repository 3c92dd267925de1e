"""Draws k labelled images of each class: by seed, by CoOp's protocol, or the first ones."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from random import Random

Draw = Callable[[Hashable, list[int], int], list[int]]
"""A class, the places of its images and k → the places of the chosen images, at most k distinct ones."""


def draw_shots(
    labels: Sequence[Hashable], *, shots: int, draw: Draw, classes: Iterable[Hashable] | None = None
) -> list[int]:
    """Places of k images of each class.

    Args:
        labels: The class of each image `[N]`.
        shots: k.
        draw: How the images of one class are chosen.
        classes: The classes that count, in the order in which they draw. Without it all classes, in the order
            in which they first occur.

    Returns:
        Places 0 to N-1, class by class, in the order of `draw`.
    """
    own: dict[Hashable, list[int]] = {}
    for place, label in enumerate(labels):
        own.setdefault(label, []).append(place)
    order = own if classes is None else [each for each in classes if each in own]
    return [place for label in order for place in draw(label, own[label], shots)]


def first(_: Hashable, places: list[int], shots: int) -> list[int]:
    """The images that come first."""
    return places[:shots]


def by_seed(seed: int) -> Draw:
    """Images at random; which ones of a class does not depend on the other classes."""

    def draw(label: Hashable, places: list[int], shots: int) -> list[int]:
        return Random(f"fieldmark shots {seed} {label}").sample(places, min(shots, len(places)))

    return draw


def as_coop(rng: Random) -> Draw:
    """Images as CoOp draws them: one generator for all classes, with replacement where a class has too few.

    An image that is drawn again is left out. Source: Zhou et al. 2022 and the code beside it.

    Args:
        rng: CoOp's generator, `Random(seed)`; it goes on from split to split.
    """

    def draw(_: Hashable, places: list[int], shots: int) -> list[int]:
        enough = len(places) >= shots
        return list(dict.fromkeys(rng.sample(places, shots) if enough else rng.choices(places, k=shots)))

    return draw
