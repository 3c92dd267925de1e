"""The bootstrap and the sign-flip test by themselves: streams, parts, and undefined figures."""

import numpy as np
import pytest

from fieldmark.tools.statistics import resample
from fieldmark.tools.statistics.resample import Gain, PairedDifference, bootstrap, sign_flip_p


def test_draws_in_parts_are_the_draws_at_once(monkeypatch):
    whole = bootstrap(lambda drawn: drawn @ np.arange(5.0), 5, resamples=40, seed=2)
    monkeypatch.setattr(resample, "STEP", 5 * 7)
    assert (bootstrap(lambda drawn: drawn @ np.arange(5.0), 5, resamples=40, seed=2) == whole).all()


def test_differences_that_are_not_defined_are_left_out():
    assert sign_flip_p([1.0, np.nan, 2.0]) == sign_flip_p([1.0, 2.0]) == 0.5
    assert sign_flip_p([]) == sign_flip_p([np.nan]) == 1.0


def test_drawn_flips_come_near_to_all_flips():
    gaps = np.random.default_rng(4).normal(0.4, 1, 15)
    assert sign_flip_p(gaps, flips=9999) == pytest.approx(sign_flip_p(gaps, flips=1 << 15), abs=0.02)


def test_a_difference_is_printed_with_few_digits():
    gain = Gain.of(PairedDifference(0.123456, -0.00004, 0.2, p=0.012345))
    assert gain == Gain(difference=0.1235, ci95=(-0.0, 0.2), p=0.0123)
