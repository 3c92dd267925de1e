"""Temperature, reliability bins and calibration error: by hand, by scipy, on worlds with known answers."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from fieldmark.errors import InputError
from fieldmark.evals.metrics.calibration import Temperature, fit_temperature, probabilities, reliability
from fieldmark.tools.scoring.candidates import spread_temperature

INF = float("inf")


def world(seed, *, images=4000, classes=6, temperature=3.0):
    """Scores whose softmax at `temperature` is the truth that labels are drawn from."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 6, (images, classes))
    p = np.exp(scores / temperature)
    p /= p.sum(1, keepdims=True)
    labels = (p.cumsum(1) > rng.random((images, 1))).argmax(1)
    return torch.tensor(scores, dtype=torch.float32), torch.tensor(labels)


def test_calibration_error_by_hand():
    """Two bins of equal width: (.2, .4, .5) with 1 of 3 right, (.75, 1) with 1 of 2."""
    found = reliability([0.2, 0.4, 0.5, 0.75, 1.0], np.array([True, False, False, True, False]), bins=2)
    assert [(each.low, each.high, each.count) for each in found.bins] == [(0, 0.5, 3), (0.5, 1, 2)]
    assert [each.confidence for each in found.bins] == pytest.approx([1.1 / 3, 0.875])
    assert [each.accuracy for each in found.bins] == pytest.approx([1 / 3, 0.5])
    assert found.error == pytest.approx((abs(1.1 - 1) + abs(1.75 - 1)) / 5)
    assert found.worst == pytest.approx(0.375)


def test_bins_of_equal_width_close_above():
    found = reliability([0.0, 0.25, 0.250001, 0.5], np.array([True] * 4), bins=4)
    assert [each.count for each in found.bins] == [2, 2, 0, 0]
    assert found.bins[2].confidence is None
    assert found.bins[2].accuracy is None


def test_bins_of_equal_mass_by_hand():
    sure = [0.9, 0.1, 0.3, 0.2, 0.8, 0.7]
    right = np.array([True, False, False, True, True, True])
    found = reliability(sure, right, bins=3, equal_mass=True)
    assert [(each.low, each.high, each.count) for each in found.bins] == [
        (0.0, 0.2, 2), (0.2, 0.7, 2), (0.7, 0.9, 2)]  # fmt: skip
    assert [each.accuracy for each in found.bins] == [0.5, 0.5, 1.0]
    assert found.error == pytest.approx((abs(0.15 - 0.5) + abs(0.5 - 0.5) + abs(0.85 - 1)) / 3)


def test_equal_confidences_share_a_bin_of_equal_mass_in_any_order():
    sure = np.array([0.5] * 5 + [0.6])
    right = np.array([True, False, True, False, True, True])
    found = reliability(sure, right, bins=3, equal_mass=True)
    assert [each.count for each in found.bins] == [5, 0, 1]
    order = np.array([5, 3, 0, 4, 1, 2])
    assert reliability(sure[order], right[order], bins=3, equal_mass=True) == found


@pytest.mark.parametrize("equal_mass", [False, True])
def test_calibration_error_equals_a_loop(equal_mass):
    rng = np.random.default_rng(2)
    sure = rng.random(997)
    right = rng.random(997) < sure**2
    order = np.argsort(sure)
    total = 0.0
    for at in range(15):
        if equal_mass:
            inside = [i for rank, i in enumerate(order) if rank * 15 // 997 == at]
        else:
            inside = [i for i in range(997) if at / 15 < sure[i] <= (at + 1) / 15]
        total += abs(sum(float(right[i]) - sure[i] for i in inside)) / 997
    assert reliability(sure, right, equal_mass=equal_mass).error == pytest.approx(total)


def test_the_temperature_that_drew_the_labels_is_found():
    assert fit_temperature(*world(0, images=20_000)).value == pytest.approx(3.0, rel=0.03)


def test_temperature_minimises_the_smoothed_cross_entropy():
    scores, labels = world(1, images=60)
    scores[3, (labels[3] + 1) % 6] = -INF
    rows, true = scores.double().numpy(), labels.numpy()

    def loss(log_temperature):
        total = 0.0
        for row, label in zip(rows, true, strict=True):
            left = [c for c in range(6) if np.isfinite(row[c])]
            z = row[left] / np.exp(log_temperature)
            log_p = z - z.max() - np.log(np.exp(z - z.max()).sum())
            for c, each in zip(left, log_p, strict=True):
                target = 61 / 62 if c == label else 1 / 62 / (len(left) - 1)
                total -= target * each
        return total

    best = np.exp(minimize_scalar(loss, bounds=(-3, 5), method="bounded", options={"xatol": 1e-9}).x)
    assert fit_temperature(scores, labels).value == pytest.approx(best, rel=1e-5)


def test_always_right_on_a_few_images_is_not_certain():
    """Two classes at distance 2, 8 images, all right: p = 9/10 exactly, so T = 2 / ln 9."""
    scores = torch.tensor([[2.0, 0.0]] * 8)
    found = fit_temperature(scores, torch.zeros(8, dtype=torch.int64))
    assert found.value == pytest.approx(2 / np.log(9), rel=1e-6)
    assert (found.calibrated, found.images) == (True, 8)


def test_a_true_class_out_of_the_running_is_left_out_of_the_fit():
    scores, labels = world(3, images=200)
    out = torch.cat([scores, torch.tensor([[0.0, 1, 2, 3, 4, -INF]])])
    found = fit_temperature(out, torch.cat([labels, torch.tensor([5])]))
    assert found == fit_temperature(scores, labels)


def test_held_out_labels_lower_the_error_and_are_told():
    held_out, labels = world(4)
    scores, truth = world(5)
    made = probabilities(scores, held_out_scores=held_out, held_out_labels=labels)
    plain = probabilities(scores)
    assert (made.temperature.calibrated, made.temperature.images) == (True, 4000)
    assert plain.temperature == Temperature(spread_temperature(scores), calibrated=False, images=0)

    def error(each):
        best = each.values.max(1)
        return reliability(best.values.numpy(), (best.indices == truth).numpy()).error

    assert error(made) < 0.03
    assert error(plain) > 0.05
    assert torch.allclose(made.values, (scores / made.temperature.value).softmax(1))
    assert probabilities(scores, temperature=made.temperature).values.equal(made.values)


def test_input_that_makes_no_sense_is_refused():
    scores, labels = torch.zeros(2, 3), torch.tensor([0, 1])
    with pytest.raises(InputError):
        probabilities(scores, held_out_scores=scores)
    with pytest.raises(InputError):
        probabilities(
            scores, held_out_scores=scores, held_out_labels=labels, temperature=Temperature(1, False, 0)
        )
    with pytest.raises(InputError):
        probabilities(torch.tensor([[0.0, float("nan")]]))
    with pytest.raises(InputError):
        fit_temperature(scores, torch.tensor([0, 3]))
    with pytest.raises(InputError):
        fit_temperature(torch.tensor([[-INF, 1.0]]), torch.tensor([0]))
    for sure, right, options in [
        ([], np.zeros(0, dtype=bool), {}),
        ([1.5], np.array([True]), {}),
        ([float("nan")], np.array([True]), {}),
        ([0.5], np.array([1.0]), {}),
        ([0.5], np.array([True, False]), {}),
        ([0.5], np.array([True]), {"bins": 0}),
    ]:
        with pytest.raises(InputError):
            reliability(sure, right, **options)
