"""WaffleCLIP's entries: which random texts a class is compared with."""

import torch

from fieldmark.evals.methods.waffle import waffle_descriptors
from tests.graph.world import PARTS
from tests.unit.evals.methods.made_up_bench import WORLD, Benches, scores_by


def test_random_words_are_the_same_for_all_classes_and_pooled_as_descriptors_are(
    make_bench: Benches,
) -> None:
    for seed in (0, 1):
        bench = make_bench(seed=seed)
        found = scores_by("waffle", bench)
        random = waffle_descriptors(WORLD.names, seed=seed)
        assert len(random) == 30
        for column, name in enumerate(WORLD.names):
            starts = [f"A photo of a {name}, which is " if d[0] == "a" else None for d in random]
            own = {text for text in bench.encoder.texts if text.startswith(f"A photo of a {name},")}
            assert len(own) == len(set(random))
            assert all(
                start is None or f"{start}{d}." in own for start, d in zip(starts, random, strict=True)
            )
            texts = [t for d in random for t in own if t.endswith(f" {d}.")]
            mean = (bench.vectors @ bench.encode(texts).T).mean(1)
            assert torch.allclose(found[:, column], 20.0 * mean, atol=1e-4)
        assert bench.cost.llm_requests == 0


def test_another_seed_is_another_draw_and_the_same_the_same(make_bench: Benches) -> None:
    first = scores_by("waffle", make_bench(seed=3))
    assert torch.equal(first, scores_by("waffle", make_bench(seed=3)))
    assert not torch.allclose(first, scores_by("waffle", make_bench(seed=4)), atol=1e-3)


def test_a_concept_stands_before_the_name(make_bench: Benches) -> None:
    bench = make_bench()
    scores_by("waffle-concept", bench)
    assert all(text.startswith("A photo of a flyer: a ") for text in bench.encoder.texts)
    nameless = make_bench(concept="")
    scores_by("waffle-concept", nameless)
    assert all(text.startswith("A photo of a bird: a ") for text in nameless.encoder.texts)


def test_real_descriptors_are_mixed_in(make_bench: Benches) -> None:
    bench = make_bench()
    scores_by("waffle-descriptors", bench)
    said = {WORLD.value(name, PARTS[0]) for name in WORLD.names}
    marked = [text for text in bench.encoder.texts if any(mark in text for mark in said)]
    assert {name for name in WORLD.names if any(f" {name}," in text for text in marked)} == set(WORLD.names)
    assert len(bench.encoder.texts) > 2 * len(marked)  # most distinct texts are random still
    assert bench.cost.llm_requests == len(WORLD.names)
