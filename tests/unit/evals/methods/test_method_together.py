"""Entries that label all test images together: from which texts they start, and that scores are logits."""

from dataclasses import replace

import pytest
import torch

from fieldmark.evals.methods.em_dirichlet import EmDirichletOptions, em_dirichlet_scores
from fieldmark.evals.methods.transclip import transclip_scores
from tests.graph.world import PARTS, FakeEncoder
from tests.unit.evals.methods.made_up_bench import TEST, WORLD, Benches, scores_by

ENCODER = FakeEncoder(WORLD)
PLAIN = [f"a photo of {'an' if name[0] in 'aeiou' else 'a'} {name}." for name in TEST.classes]
DESCRIBED = [f"{name}, which is {WORLD.value(name, PARTS[0])}" for name in TEST.classes]


@pytest.mark.parametrize(("key", "texts"), [("transclip-zs", PLAIN), ("transclip-descriptors", DESCRIBED)])
def test_transclip_starts_from_its_texts(make_bench: Benches, key: str, texts: list[str]) -> None:
    bench = make_bench()
    scores = scores_by(key, bench)
    shares = transclip_scores(bench.vectors, ENCODER.encode_texts(texts), logit_scale=20.0)
    assert torch.allclose(scores.softmax(dim=1), shares, atol=1e-5)
    assert bool(scores.isfinite().all())
    assert bench.encoder.texts == set(texts)


@pytest.mark.parametrize(
    ("key", "texts", "weight"),
    [("em-dirichlet", PLAIN, None), ("em-dirichlet-descriptors", DESCRIBED, 0.0)],
)
def test_em_dirichlet_starts_from_its_texts(
    make_bench: Benches,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    texts: list[str],
    weight: float | None,
) -> None:
    def shortly(images: torch.Tensor, words: torch.Tensor, *, options: EmDirichletOptions) -> torch.Tensor:
        """The same with fewer steps: thousands of them tell no more of where it starts."""
        return em_dirichlet_scores(images, words, options=replace(options, iterations=2, inner_steps=20))

    monkeypatch.setattr("fieldmark.evals.methods.em_dirichlet.em_dirichlet_scores", shortly)
    bench = make_bench()
    scores = scores_by(key, bench)
    words = ENCODER.encode_texts(texts)
    shares = shortly(bench.vectors, words, options=EmDirichletOptions(partition_weight=weight))
    assert torch.allclose(scores.softmax(dim=1), shares, atol=1e-5)
    assert bool(scores.isfinite().all())
