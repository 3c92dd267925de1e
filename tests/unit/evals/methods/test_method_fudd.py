"""FuDD's entries: whom each image is compared with, what is asked, and what pools."""

from itertools import combinations
from typing import Any

import pytest
import torch

from fieldmark.evals.methods import fudd
from fieldmark.evals.methods.shared.questions import pairs_within
from fieldmark.evals.table.bench import EvalBench
from tests.graph.world import FakeEncoder, FakeModel
from tests.unit.evals.methods.made_up_bench import (
    WORLD,
    Benches,
    by_hand,
    refusing,
    scored_by,
    scores_by,
)

NAMES = WORLD.names
FIRST = [f"A photo of a {name}." for name in NAMES]


def said(model: FakeModel) -> dict[frozenset[str], list[tuple[str, str]]]:
    """For each pair the captions that the made-up model gives its classes, as (class, caption)."""
    pairs = {frozenset(q.about) for q in model.asked if q.prompt_id == "differentiate.v1"}
    return {
        pair: [
            (name, f"A photo of a {name}, which has {WORLD.value(name, part)}.".capitalize())
            for part in WORLD.differing([n for n in NAMES if n in pair])
            for name in pair
        ]
        for pair in pairs
    }


def straight(
    bench: EvalBench, model: FakeModel, candidates: torch.Tensor, pairs_of: Any = None
) -> torch.Tensor:
    """FuDD's second step, image by image and class by class."""
    told = said(model)
    scores = torch.full(candidates.shape, -torch.inf)
    for image, row in enumerate(candidates):
        left = [NAMES[c] for c in row.nonzero()[:, 0].tolist()]
        for name in left:
            texts: dict[str, None] = {}
            for rival in left:
                if rival != name:
                    default = [(name, f"A photo of a {name}.")]
                    for whose, text in told.get(frozenset((name, rival)), default):
                        if whose == name:
                            texts[text] = None
            vectors = bench.encoder.encode_texts(list(texts) or [f"A photo of a {name}."])
            mean = vectors.mean(0)
            scores[image, NAMES.index(name)] = 20.0 * (bench.vectors[image] @ mean / mean.norm())
    return scores


@pytest.fixture(autouse=True)
def fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three candidates of the six classes."""
    monkeypatch.setattr(fudd, "K", 3)


def test_the_k_best_of_the_first_step_are_told_apart(make_bench: Benches) -> None:
    model = FakeModel(WORLD)
    bench = make_bench(llm=model)
    scored = scored_by("fudd", bench)
    assert scored.scores is not None and scored.candidates is not None
    first = by_hand(bench, [[text] for text in FIRST])
    best = first.topk(3, dim=1).indices
    assert torch.equal(scored.candidates, torch.zeros_like(first, dtype=torch.bool).scatter(1, best, True))
    together = {frozenset(p) for row in best for p in combinations([NAMES[c] for c in row.tolist()], 2)}
    assert set(said(model)) == together
    assert 3 < len(together) < 15
    assert bench.cost.llm_requests == len(together)
    assert torch.allclose(scored.scores, straight(bench, model, scored.candidates), atol=1e-4)


def test_a_pair_that_failed_compares_the_plain_texts(make_bench: Benches) -> None:
    model = refusing(lambda q: "gull" in q.about)
    bench = make_bench(llm=model)
    scored = scored_by("fudd", bench)
    assert scored.scores is not None and scored.candidates is not None
    model.asked = [q for q in model.asked if "gull" not in q.about]
    assert torch.allclose(scored.scores, straight(bench, model, scored.candidates), atol=1e-4)
    assert any("brought no usable answer" in note for note in bench.notes)


def test_candidates_within_a_margin_differ_in_number_and_stay_few(make_bench: Benches) -> None:
    model = FakeModel(WORLD)
    bench = make_bench(llm=model, encoder=FakeEncoder(WORLD, noise=1.5))
    scored = scored_by("fudd-margin", bench)
    assert scored.scores is not None and scored.candidates is not None
    sizes = set(scored.candidates.sum(1).tolist())
    assert len(sizes) > 1 and max(sizes) <= 3
    assert torch.allclose(scored.scores, straight(bench, model, scored.candidates), atol=1e-4)
    # The best of the first step is among them, and whoever is kept is no worse than who is not.
    first = by_hand(bench, [[text] for text in FIRST])
    worst_kept = first.masked_fill(~scored.candidates, torch.inf).min(1).values
    assert bool((worst_kept > first.masked_fill(scored.candidates, -torch.inf).max(1).values).all())


def test_conformal_candidates_keep_the_truth_as_often_as_they_say(make_bench: Benches) -> None:
    test, train = (
        tuple(WORLD.image(n, copy, labelled=True) for n in range(6) for copy in copies)
        for copies in (range(40), range(100, 140))
    )
    model = FakeModel(WORLD)
    bench = make_bench(llm=model, images=test, train=train, encoder=FakeEncoder(WORLD, noise=1.5))
    scored = scored_by("fudd-conformal", bench)
    assert scored.scores is not None and scored.candidates is not None
    truth = torch.from_numpy(bench.test.labels)
    coverage = float(scored.candidates.gather(1, truth[:, None]).float().mean())
    assert 0.8 < coverage < 0.99  # 0.9 was asked for; 240 images, calibrated on 120
    assert torch.allclose(scored.scores, straight(bench, model, scored.candidates), atol=1e-4)
    assert bench.cost.images == len(train)


def test_all_classes_are_scored_by_the_pairs_of_the_k_best(make_bench: Benches) -> None:
    model, again = FakeModel(WORLD), FakeModel(WORLD)
    bench = make_bench(llm=model)
    scored = scored_by("fudd-all", bench)
    scores_by("fudd", make_bench(llm=again))
    assert set(said(model)) == set(said(again))  # nothing is asked that FuDD does not ask
    assert scored.scores is not None and scored.candidates is None
    # The default stands only for a class of which nothing was said, not for every pair not asked about.
    told = said(model)
    assert 0 < len(told) < 15
    texts = [
        list(dict.fromkeys(text for own in told.values() for whose, text in own if whose == name)) or [first]
        for name, first in zip(NAMES, FIRST, strict=True)
    ]
    assert torch.allclose(scored.scores, by_hand(bench, texts), atol=1e-4)


def test_pairs_of_most_images_come_first() -> None:
    candidates = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]).bool()
    assert pairs_within(candidates) == [(1, 2), (0, 1), (0, 2)]
    assert pairs_within(candidates[4:]) == []
