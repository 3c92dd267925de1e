"""What is reported beside DCLIP: conformal sets and opinions, from labelled images."""

import math

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.calibrated import calibrate
from fieldmark.tools.calibration import fit_temperature
from tests.graph.world import FakeEncoder
from tests.unit.evals.methods.made_up_bench import WORLD, Benches, scored_by, scores_by

TEST, TRAIN = (
    tuple(WORLD.image(number, copy, labelled=True) for number in range(6) for copy in copies)
    for copies in (range(40), range(100, 140))
)


def test_one_half_sets_the_temperature_and_the_other_is_kept() -> None:
    scores = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(10) % 3
    made = calibrate(scores, labels)
    assert made.temperature == fit_temperature(scores[[0, 2, 4, 6, 8]], labels[[0, 2, 4, 6, 8]]).value
    assert made.labels.tolist() == [1, 0, 2, 1, 0]
    assert torch.allclose(made.held_out, (scores[[1, 3, 5, 7, 9]] / made.temperature).softmax(1))
    assert torch.equal(made.probabilities(scores)[1::2], made.held_out)
    with pytest.raises(InputError):
        calibrate(scores[:0], labels[:0])


@pytest.mark.parametrize("key", ["conformal", "raps"])
def test_sets_hold_the_truth_as_often_as_they_say(make_bench: Benches, key: str) -> None:
    bench = make_bench(images=TEST, train=TRAIN, encoder=FakeEncoder(WORLD, noise=1.5))
    scored = scored_by(key, bench)
    assert scored.scores is not None and scored.candidates is not None and scored.probabilities is not None
    truth = torch.from_numpy(bench.test.labels)
    coverage = float(scored.candidates.gather(1, truth[:, None]).float().mean())
    assert 0.8 < coverage < 1.0  # 0.9 was asked for; 240 images, calibrated on 120
    assert 1.0 < float(scored.candidates.sum(1).float().mean()) < 6.0
    assert torch.allclose(scored.scores.softmax(1), scored.probabilities, atol=1e-5)
    plain = scores_by("dclip", make_bench(images=TEST, encoder=FakeEncoder(WORLD, noise=1.5)))
    assert torch.equal(scored.scores.argmax(1), plain.argmax(1))


def test_opinions_are_means_over_images_of_plausible_classes(make_bench: Benches) -> None:
    bench = make_bench(images=TEST, train=TRAIN)
    scored = scored_by("evidential", bench)
    assert scored.scores is not None and scored.candidates is None
    assert sum(scored.diagnostics.values()) == pytest.approx(1.0, abs=1e-5)
    plain = scores_by("dclip", make_bench(images=TEST))
    assert torch.equal(scored.scores, plain)  # a diagnostic: it ranks nothing anew
    # Independent chances that fit the labelled images make about one class plausible an image.
    assert scored.diagnostics["belief"] > 0.3
    assert 0 < scored.diagnostics["ignorance"] < 0.7
    assert math.isfinite(scored.diagnostics["confusion"])
