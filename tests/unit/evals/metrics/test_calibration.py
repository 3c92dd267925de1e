"""Temperature, reliability bins and calibration error: by hand, by scipy, on worlds with known answers."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from fieldmark.errors import InputError
from fieldmark.evals.metrics.calibration import fit_temperature, reliability

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


def test_bins_of_equal_width_close_above():
    found = reliability([0.0, 0.25, 0.250001, 0.5], np.array([True] * 4), bins=4)
    assert [each.count for each in found.bins] == [2, 2, 0, 0]
    assert found.bins[2].confidence is None
    assert found.bins[2].accuracy is None


def test_calibration_error_equals_a_loop():
    rng = np.random.default_rng(2)
    sure = rng.random(997)
    right = rng.random(997) < sure**2
    total = 0.0
    for at in range(15):
        inside = [i for i in range(997) if at / 15 < sure[i] <= (at + 1) / 15]
        total += abs(sum(float(right[i]) - sure[i] for i in inside)) / 997
    assert reliability(sure, right).error == pytest.approx(total)


def test_the_temperature_that_drew_the_labels_is_found():
    assert fit_temperature(*world(0, images=20_000)) == pytest.approx(3.0, rel=0.03)


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
    assert fit_temperature(scores, labels) == pytest.approx(best, rel=1e-5)


def test_always_right_on_a_few_images_is_not_certain():
    """Two classes at distance 2, 8 images, all right: p = 9/10 exactly, so T = 2 / ln 9."""
    scores = torch.tensor([[2.0, 0.0]] * 8)
    found = fit_temperature(scores, torch.zeros(8, dtype=torch.int64))
    assert found == pytest.approx(2 / np.log(9), rel=1e-6)


def test_a_true_class_out_of_the_running_is_left_out_of_the_fit():
    scores, labels = world(3, images=200)
    out = torch.cat([scores, torch.tensor([[0.0, 1, 2, 3, 4, -INF]])])
    found = fit_temperature(out, torch.cat([labels, torch.tensor([5])]))
    assert found == fit_temperature(scores, labels)


def test_input_that_makes_no_sense_is_refused():
    scores = torch.zeros(2, 3)
    with pytest.raises(InputError):
        fit_temperature(torch.tensor([[0.0, float("nan")]]), torch.tensor([0]))
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
