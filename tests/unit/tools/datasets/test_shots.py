"""How k images of each class are drawn."""

from random import Random

from fieldmark.tools.datasets.shots import as_coop, by_seed, draw_shots, first

LABELS = [2, 2, 0, 2, 0, 1, 2, 0]


def test_the_first_images_of_each_class() -> None:
    assert sorted(draw_shots(LABELS, shots=2, draw=first)) == [0, 1, 2, 4, 5]
    assert draw_shots(LABELS, shots=1, draw=first, classes=(0, 1, 7)) == [2, 5]
    assert sorted(draw_shots(LABELS, shots=9, draw=first)) == list(range(8))
    assert draw_shots([], shots=2, draw=first) == []


def test_a_seed_decides_for_each_class_alone() -> None:
    labels = [number % 3 for number in range(60)]
    drawn = draw_shots(labels, shots=4, draw=by_seed(1))
    assert (
        drawn == draw_shots(labels, shots=4, draw=by_seed(1)) != draw_shots(labels, shots=4, draw=by_seed(2))
    )
    assert draw_shots(labels, shots=4, draw=by_seed(1), classes=[1]) == drawn[4:8]


def test_coop_goes_on_with_one_generator() -> None:
    rng, own = Random(5), Random(5)
    draw = as_coop(rng)
    assert draw_shots([0] * 6, shots=2, draw=draw) == own.sample(range(6), 2)
    assert draw_shots([0] * 2, shots=3, draw=draw) == list(dict.fromkeys(own.choices(range(2), k=3)))
