"""Thresholds a class: what stands out, what labels move, and the best expected F1."""

import numpy as np
import pytest

from fieldmark.errors import InputError
from fieldmark.tools.scoring.multi_label import ClassOdds, best_thresholds, fit_odds, standing_out


def drawn(images: int = 400, classes: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores and truth: classes differ in how high they score everywhere, and so do images."""
    draw = np.random.default_rng(seed)
    truth = draw.random((images, classes)) < 0.2
    scores = 2.0 * truth + draw.normal(size=truth.shape) * 0.6
    return scores + draw.normal(size=classes) * 10 + draw.normal(size=(images, 1)) * 10, truth


def f1(holds: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean(2 * (holds & truth).sum(0) / (holds.sum(0) + truth.sum(0))))


def test_what_all_images_and_all_classes_share_says_nothing() -> None:
    scores, _ = drawn()
    moved = scores + np.linspace(-5, 5, 6) + np.linspace(-9, 9, 400)[:, None]
    assert np.allclose(standing_out(scores), standing_out(moved))
    assert np.allclose(standing_out(scores).mean(0), 0)


def test_without_labels_classes_are_found_where_one_threshold_on_scores_finds_few() -> None:
    scores, truth = drawn()
    p = ClassOdds.uncalibrated(6).probabilities(standing_out(scores))
    own = f1(p >= best_thresholds(p), truth)
    one_for_all = max(f1(scores >= t, truth) for t in np.quantile(scores, np.linspace(0, 1, 101)))
    assert own > 0.7
    assert own > one_for_all + 0.3


def test_labels_make_probabilities_true_and_shuffled_ones_make_them_flat() -> None:
    scores, truth = drawn()
    z, all_known = standing_out(scores), np.ones((200, 6), dtype=bool)
    fitted = fit_odds(z[:200], truth[:200], all_known)
    p = fitted.probabilities(z[200:])
    for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 1.0)):
        inside = (p >= low) & (p <= high)
        assert truth[200:][inside].mean() == pytest.approx(p[inside].mean(), abs=0.12)
    shuffled = fit_odds(z[:200], np.random.default_rng(1).permutation(truth[:200]), all_known)
    assert shuffled.probabilities(z[200:]).max() < 0.6
    assert (fitted.labelled, fitted.positives.tolist()) == (200, truth[:200].sum(0).tolist())


def test_a_class_that_few_labels_show_keeps_close_to_the_others() -> None:
    scores, truth = drawn()
    known = np.ones((200, 6), dtype=bool)
    known[:, 0] = False  # nothing is known of it
    odds = fit_odds(standing_out(scores)[:200], truth[:200] & known, known)
    assert odds.offsets[0] == pytest.approx(0)
    assert odds.positives[0] == 0
    assert np.abs(odds.offsets).max() < 1


def test_the_threshold_has_the_best_expected_f1() -> None:
    p = np.array([[0.9, 0.3], [0.8, 0.2], [0.3, 0.1], [0.05, 0.1]])
    # First class, k=1: 1.8/3.05; k=2: 3.4/4.05; k=3: 4/5.05. Second, k=1: .6/1.7; k=2: 1/2.7; k=3: 1.2/3.7.
    assert best_thresholds(p).tolist() == [0.8, 0.2]


def test_few_images_are_refused() -> None:
    with pytest.raises(InputError, match="9 images"):
        standing_out(np.zeros((9, 3)))
