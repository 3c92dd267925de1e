"""Intervals and tests: hand-worked cases, plain references, and error rates under the null."""

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest

from fieldmark.errors import InputError
from fieldmark.tools.statistics.intervals import (
    bootstrap_mean,
    chosen_difference,
    holm,
    holm_column,
    mcnemar,
    over_seeds,
    paired_difference,
    pooled_clusters,
)


def made_up(seed, *, classes=40, per_class=10, gap=0.0):
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 1, classes).repeat(per_class)
    clusters = np.arange(classes).repeat(per_class)
    lean = rng.normal(0, 0.7, classes).repeat(per_class)
    first = hard + lean + gap + rng.normal(0, 1, hard.shape) > 0
    second = hard - lean + rng.normal(0, 1, hard.shape) > 0
    return first, second, clusters


def test_mean_and_interval_of_two_classes():
    """Two classes, all right and all wrong: a resample is 0, 1/2 or 1 with chances 1/4, 1/2, 1/4."""
    found = bootstrap_mean([1, 1, 1, 0, 0, 0], list("aaabbb"))
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


def test_classes_of_unequal_size_count_by_their_images():
    assert bootstrap_mean([1, 1, 1, 0], list("aaab")).value == 0.75


def test_interval_matches_a_plain_bootstrap():
    right, _, clusters = made_up(0)
    found = bootstrap_mean(right, clusters, resamples=4000)
    rng = np.random.default_rng(99)
    means = []
    for _ in range(4000):
        drawn = rng.integers(0, 40, 40)
        means.append(np.concatenate([right[clusters == c] for c in drawn]).mean())
    low, high = np.quantile(means, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)


def test_interval_is_wider_than_that_of_independent_images():
    right, _, clusters = made_up(1)
    by_class = bootstrap_mean(right, clusters)
    by_image = bootstrap_mean(right, np.arange(len(right)))
    assert by_class.high - by_class.low > 1.3 * (by_image.high - by_image.low)


def test_same_seed_same_answer():
    first, second, clusters = made_up(2)
    assert paired_difference(first, second, clusters) == paired_difference(first, second, clusters)
    assert bootstrap_mean(first, clusters, seed=1) != bootstrap_mean(first, clusters, seed=2)


def test_exact_sign_flips_by_hand():
    """Class differences 3, 2, 1: of 8 flips only +++ and --- reach 6."""
    values = np.array([1] * 6)
    found = paired_difference(values, np.zeros(6), list("aaabbc"))
    assert found.p == pytest.approx(2 / 8)
    assert found.value == 1.0


def test_exact_sign_flips_equal_enumeration():
    rng = np.random.default_rng(3)
    gap = rng.normal(0.2, 1, 30)
    clusters = np.arange(30) % 9
    sums = np.bincount(clusters, gap)
    flips = [
        abs(sum(s * x for s, x in zip(sign, sums, strict=True)))
        for sign in itertools.product((1, -1), repeat=9)
    ]
    expected = np.mean([flip >= abs(sums.sum()) - 1e-9 for flip in flips])
    assert paired_difference(gap, np.zeros(30), clusters).p == pytest.approx(expected)


def test_p_is_never_zero_and_one_for_equal_methods():
    clusters = np.arange(400) // 4
    found = paired_difference(np.ones(400), np.zeros(400), clusters, resamples=999)
    assert found.p == 1 / 1000
    assert paired_difference(np.ones(400), np.ones(400), clusters).p == 1.0


def test_p_keeps_its_promise_under_the_null():
    """At level .1 a valid test is wrong in about a tenth of 200 worlds without a difference."""
    wrong = [paired_difference(*made_up(seed), resamples=400).p <= 0.1 for seed in range(200)]
    assert 0.03 <= np.mean(wrong) <= 0.17


def test_a_real_difference_is_found():
    found = paired_difference(*made_up(5, gap=1.0))
    assert found.p < 0.01
    assert 0 < found.low < found.value < found.high


def test_books_are_pooled_without_mixing_their_species():
    found = pooled_clusters([["a", "b", "a"], ["b", "c"], [7, 7]])
    assert found.tolist() == [0, 1, 0, 2, 3, 4, 4]
    assert pooled_clusters([]).tolist() == []


def test_accuracies_of_differently_chosen_images():
    right = np.array([1, 1, 0, 0] * 30)
    clusters = np.repeat(np.arange(30), 4)
    found = chosen_difference(
        right,
        right,
        clusters,
        first_chosen=np.array([True, True, False, False] * 30),
        second_chosen=np.array([False, True, True, False] * 30),
        resamples=999,
    )
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert found.p == pytest.approx(2 / 1000)


def test_equal_choices_differ_in_nothing():
    first, _, clusters = made_up(6)
    chosen = np.arange(len(first)) % 3 == 0
    found = chosen_difference(first, first, clusters, first_chosen=chosen, second_chosen=chosen)
    assert (found.value, found.p) == (0.0, 1.0)


def test_mcnemar_is_the_exact_binomial():
    first = np.array([1] * 9 + [0] * 2 + [1] * 20)
    second = np.array([0] * 9 + [1] * 2 + [1] * 20)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (9, 2)
    assert found.p == pytest.approx(2 * sum([1, 11, 55]) / 2**11)
    assert found.p == pytest.approx(binomtest(2, 11).pvalue)
    assert mcnemar([True], [True]).p == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("values", "clusters", "options"),
    [
        ([], [], {}),
        ([1.0], ["a", "b"], {}),
        ([float("nan")], ["a"], {}),
        ([1.0], ["a"], {"resamples": 0}),
    ],
)
def test_input_that_makes_no_sense_is_refused(values, clusters, options):
    with pytest.raises(InputError):
        bootstrap_mean(values, clusters, **options)


def test_methods_judged_on_different_images_are_refused():
    none = np.zeros(2, dtype=bool)
    with pytest.raises(InputError, match="No image"):
        chosen_difference([1, 0], [1, 0], None, first_chosen=none, second_chosen=~none)
    with pytest.raises(InputError):
        paired_difference([1, 0], [1], ["a", "b"])
    with pytest.raises(InputError):
        mcnemar([True, False], [True])


def test_plain_bootstrap_over_images_by_hand():
    """Two images, one right: a resample is 0, 1/2 or 1 with chances 1/4, 1/2, 1/4."""
    found = bootstrap_mean([1, 0], None)
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize("values", ["bits", "numbers"])
def test_images_that_stand_for_themselves_are_clusters_of_one(values):
    """Equal images are drawn as one; that must not change the interval."""
    right, _, _ = made_up(7)
    numbers = right * 1.0 if values == "bits" else np.random.default_rng(7).normal(0, 1, 400)
    plain = bootstrap_mean(numbers, None)
    apart = bootstrap_mean(numbers, np.arange(400))
    assert plain.value == apart.value
    assert plain.low == pytest.approx(apart.low, abs=0.006)
    assert plain.high == pytest.approx(apart.high, abs=0.006)


def test_paired_tests_over_images():
    first, second, _ = made_up(8, gap=0.3)
    plain, apart = (paired_difference(first, second, by, seed=3) for by in (None, np.arange(400)))
    assert plain.p == apart.p
    assert plain.low == pytest.approx(apart.low, abs=0.01)
    kept = np.arange(400) % 2 == 0
    sides = [
        chosen_difference(first, second, by, first_chosen=kept, second_chosen=~kept)
        for by in (None, np.arange(400))
    ]
    assert sides[0].value == sides[1].value
    assert sides[0].low == pytest.approx(sides[1].low, abs=0.01)


def test_many_images_need_no_many_columns():
    right = np.arange(200_000) % 4 > 0
    found = bootstrap_mean(right, None)
    error = (0.75 * 0.25 / 200_000) ** 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_a_column_is_adjusted_without_its_empty_cells():
    found = holm_column([None, 0.01, 0.04, None, 0.03, 0.005])
    assert found[0] is None
    assert found[3] is None
    assert [p for p in found if p is not None] == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_spread_over_seeds_by_hand():
    found = over_seeds([1, 2, 6])
    assert (found.mean, found.low, found.high, found.seeds) == (3.0, 1.0, 6.0, 3)
    assert found.deviation == pytest.approx(((4 + 1 + 9) / 2) ** 0.5)
    assert over_seeds([0.5]).deviation is None
    with pytest.raises(InputError):
        over_seeds([])
