"""Entries that learn from shots: which constants they choose, and that all shots are used in the end."""

from dataclasses import replace

import pytest
import torch

from fieldmark.evals.methods.linear_probe import GRID, fit_linear_probe
from fieldmark.evals.methods.shared.support import Support
from fieldmark.evals.methods.tip_adapter import ALPHAS, BETAS, tip_adapter_scores
from tests.graph.world import FakeEncoder
from tests.unit.evals.methods.made_up_bench import TEST, WORLD, Benches, scored_by

NOISY = FakeEncoder(WORLD, noise=3.0)


def words_of(names: tuple[str, ...]) -> torch.Tensor:
    """The plain prompt of each class."""
    return NOISY.encode_texts([f"a photo of {'an' if name[0] in 'aeiou' else 'a'} {name}." for name in names])


def test_tip_adapter_takes_the_best_constants_on_held_out_shots_and_then_all_shots(
    make_bench: Benches,
) -> None:
    bench = make_bench(encoder=NOISY)
    scored = scored_by("tip-adapter", bench)
    shots, labels, words = bench.train_vectors, bench.train_labels, words_of(TEST.classes)
    last = torch.arange(len(labels)) % 4 == 3  # four shots of each class, in order
    trials = []
    for alpha in ALPHAS:
        for beta in BETAS:
            scores = tip_adapter_scores(
                shots[last], words, support=Support(shots[~last], labels[~last]), logit_scale=20.0,
                alpha=alpha, beta=beta,
            )  # fmt: skip
            right = float((scores.argmax(1) == labels[last]).double().mean())
            trials.append((right, -float(torch.nn.functional.cross_entropy(scores, labels[last]))))
    assert scored.scores is not None
    alpha, beta = scored.diagnostics["alpha"], scored.diagnostics["beta"]
    right, loss = trials[ALPHAS.index(alpha) * len(BETAS) + BETAS.index(beta)]
    assert right == max(trial[0] for trial in trials) > min(trial[0] for trial in trials)
    assert loss == pytest.approx(max(trial[1] for trial in trials if trial[0] == right), abs=1e-5)
    expected = tip_adapter_scores(
        bench.vectors, words, support=Support(shots, labels), logit_scale=20.0, alpha=alpha, beta=beta
    )
    assert torch.allclose(scored.scores, expected, atol=1e-4)


def test_with_one_shot_a_class_the_constants_are_the_papers(make_bench: Benches) -> None:
    scored = scored_by("tip-adapter", make_bench(train=TEST.train[::4]))
    assert scored.diagnostics == {"alpha": 1.0, "beta": 5.5}


def test_the_probe_sees_shots_and_no_text(make_bench: Benches) -> None:
    bench = make_bench()
    scored = scored_by("linear-probe", bench)
    support = Support(bench.train_vectors, bench.train_labels)
    assert scored.scores is not None
    l2 = scored.diagnostics["l2"]
    assert l2 in GRID
    probe = fit_linear_probe(support, classes=6, l2=l2)
    assert torch.equal(scored.scores, probe.scores(bench.vectors))
    assert not bench.encoder.texts


def test_labels_belong_to_their_images_in_any_order(make_bench: Benches) -> None:
    turned = tuple(reversed(TEST.train))
    for key in ("tip-adapter", "linear-probe"):
        scores = scored_by(key, make_bench(train=turned)).scores
        assert scores is not None
        found = [TEST.classes[column] for column in scores.argmax(dim=1).tolist()]
        assert found == [image.label for image in TEST.images]


def test_labels_of_test_images_change_nothing(make_bench: Benches) -> None:
    wrong = tuple(replace(image, label=TEST.classes[0]) for image in TEST.images)
    for key in ("tip-adapter", "linear-probe"):
        first, second = (scored_by(key, make_bench(images=images)).scores for images in (TEST.images, wrong))
        assert first is not None and second is not None
        assert torch.equal(first, second)
