import numpy as np
import pytest

from fieldmark.errors import InputError
from fieldmark.tools.statistics import agreement as ag

ONE = np.ones((1, 6))
TRUTH = np.array([1.0, 1, 1, 0, 0, 0])
SAID = np.array([1.0, 1, 0, 1, 0, 0])


def test_by_hand():
    assert ag.f1(TRUTH, SAID, ONE)[0] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert ag.kappa(TRUTH, SAID, ONE)[0] == pytest.approx((4 / 6 - 0.5) / 0.5)
    scores = np.array([0.9, 0.8, 0.3, 0.7, 0.3, 0.1])
    # steps: .9 (1/1, 1/3), .8 (2/2, 2/3), .7 (2/3, 2/3), .3 both (3/5, 1), .1 (3/6, 1)
    assert ag.average_precision(TRUTH, scores, ONE)[0] == pytest.approx((1 + 1 + 3 / 5) / 3)
    # of nine pairs: .9 and .8 win three each, .3 wins over .1 and ties with .3
    assert ag.auroc(TRUTH, scores, ONE)[0] == pytest.approx((3 + 3 + 1.5) / 9)
    assert ag.auroc(TRUTH, -scores, ONE)[0] == pytest.approx(1 - 7.5 / 9)
    assert ag.recall_at_precision(TRUTH, scores, ONE)[0] == pytest.approx(2 / 3)
    assert ag.recall_at_precision(TRUTH, scores, ONE, precision=0.6)[0] == 1.0
    assert ag.recall_at_precision(TRUTH, -scores, ONE)[0] == 0.0


def test_a_weight_counts_like_as_many_items():
    weights = np.array([2.0, 1, 1, 3, 1, 1])
    copies = np.repeat(np.arange(6), weights.astype(int))
    scores = np.array([0.9, 0.2, 0.4, 0.5, 0.1, 0.0])
    for metric, said in ((ag.f1, SAID), (ag.kappa, SAID), (ag.average_precision, scores), (ag.auroc, scores)):
        assert metric(TRUTH, said, weights[None])[0] == pytest.approx(
            metric(TRUTH[copies], said[copies], np.ones((1, len(copies))))[0]
        )


def test_what_is_undefined_is_not_a_number():
    none = np.zeros(6)
    assert np.isnan(ag.f1(none, SAID, ONE)[0])
    assert np.isnan(ag.auroc(none, SAID, ONE)[0]) and np.isnan(ag.auroc(none + 1, SAID, ONE)[0])
    assert ag.auroc(TRUTH, none, ONE)[0] == 0.5
    assert ag.f1(TRUTH, none, ONE)[0] == 0
    assert np.isnan(ag.kappa(none, none, ONE)[0])
    assert np.isnan(ag.estimate(ag.f1, none, SAID).low)


def test_kappa_of_two_constant_judges_is_not_a_number_whatever_the_weights():
    weights = np.random.default_rng(0).random((200, 6))
    assert np.isnan(ag.kappa(np.ones(6), np.ones(6), weights)).all()


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    chance = np.random.default_rng(3)
    many = 200_000
    truth = (chance.random(many) < 0.4).astype(float)
    said = np.where(chance.random(many) < 0.85, truth, 1 - truth)
    real = ag.f1(truth, said, np.ones((1, many)))[0]
    inside = 0
    for seed in range(100):
        rows = chance.integers(many, size=120)
        made = ag.estimate(ag.f1, truth[rows], said[rows], resamples=300, seed=seed)
        inside += made.low <= real <= made.high
    assert 86 <= inside <= 100


@pytest.mark.parametrize("costs", [(1, 1), (1, 9), (9, 1)])
def test_the_threshold_is_the_cheapest_of_all(costs):
    truth, scores = [1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.75, 0.7, 0.6, 0.2]
    made = ag.best_threshold(truth, scores, false_positive=costs[0], false_negative=costs[1])
    cost = {
        cut: costs[0] * sum(s >= cut and not y for y, s in zip(truth, scores, strict=True))
        + costs[1] * sum(s < cut and y for y, s in zip(truth, scores, strict=True))
        for cut in (made, *(s + 0.01 for s in scores), *(s - 0.01 for s in scores))
    }
    assert cost[made] == min(cost.values())


def test_the_threshold_without_costs_is_the_best_by_f1_and_extremes_are_possible():
    truth, scores = [1, 1, 0, 0], [0.9, 0.4, 0.3, 0.1]
    assert ag.best_threshold(truth, scores) == pytest.approx(0.35)
    assert ag.best_threshold([0, 0], [0.2, 0.1], false_positive=1, false_negative=1) > 0.2
    assert ag.best_threshold([1, 1], [0.2, 0.1]) <= 0.1
    with pytest.raises(InputError, match="both"):
        ag.best_threshold(truth, scores, false_positive=1)


def test_pooling_over_data_sets():
    chance = np.random.default_rng(0)
    firsts, seconds, a, b = [], [], [], []
    for number in range(8):
        truth = (chance.random(300) < 0.3).astype(float)
        good = np.where(chance.random(300) < 0.9, truth, 1 - truth)
        bad = np.where(chance.random(300) < 0.7, truth, 1 - truth)
        for said, values, made in ((good, firsts, a), (bad, seconds, b)):
            values.append(float(ag.f1(truth, said, np.ones((1, 300)))[0]))
            made.append(ag.replicates(ag.f1, truth, said, seed=number))
    gap = ag.pooled_difference(firsts, seconds, a, b)
    assert gap.low > 0.1
    assert gap.p == pytest.approx(2 / 256)
    assert gap.value == pytest.approx(np.mean(firsts) - np.mean(seconds))
    both = ag.pooled(firsts, a)
    assert both.low < both.value < both.high
    nothing = ag.pooled_difference(firsts, firsts, a, a)
    assert (nothing.value, nothing.low, nothing.p) == (0, 0, 1)


def test_lengths_must_fit():
    with pytest.raises(InputError):
        ag.estimate(ag.f1, [1, 0], [1])
    with pytest.raises(InputError):
        ag.estimate(ag.f1, [], [])
