"""PerceptionCLIP's entries: which contexts are told apart, and how many."""

import pytest
import torch

from fieldmark.evals.methods.perception import MOST_CONTEXTS, MOST_TEXTS, within_reach
from fieldmark.evals.table.test_set import ImageFactor
from tests.graph.world import FakeModel
from tests.unit.evals.methods.made_up_bench import WORLD, Benches, by_hand, refusing, scored_by, scores_by

CONTEXTS = [
    [", at dawn, at sea", ", in the morning, at sea"],
    [", at dawn, on land", ", in the morning, on land"],
    [", at night, at sea"],
    [", at night, on land"],
]


def a(name: str) -> str:
    return f"a photo of {'an' if name == 'owl' else 'a'} {name}"


@pytest.mark.parametrize("key", ["perception", "perception-without"])
def test_the_class_in_each_context_by_how_likely_the_context_is(make_bench: Benches, key: str) -> None:
    bench = make_bench()
    scored = scored_by(key, bench)
    each = torch.stack(
        [by_hand(bench, [[f"{a(n)}{e}." for e in ends] for n in WORLD.names]) for ends in CONTEXTS], dim=2
    )
    if key == "perception":
        contexts = each.exp().sum(1) / each.exp().sum((1, 2))[:, None]
    else:
        contexts = by_hand(bench, [[f"a photo of a bird{e}." for e in ends] for ends in CONTEXTS]).softmax(1)
    wanted = (each.softmax(1) * contexts[:, None]).sum(2)
    assert scored.scores is not None
    assert torch.allclose(scored.scores.exp(), wanted, atol=1e-5)
    assert scored.diagnostics == {"contexts": 4}
    assert bench.cost.llm_requests == 0  # the domain named its contexts


def test_a_domain_without_contexts_has_them_named(make_bench: Benches) -> None:
    model = FakeModel(WORLD)
    bench = make_bench(llm=model, factors=())
    scored = scored_by("perception", bench)
    assert model.kinds() == ["contexts.v1"]
    assert scored.diagnostics == {"contexts": 2}
    assert {f"{a(n)}, at {light}." for n in WORLD.names for light in ("dawn", "night")} == bench.encoder.texts


def test_without_any_context_names_are_left(make_bench: Benches) -> None:
    bench = make_bench(llm=refusing(lambda _: True), factors=())
    found = scores_by("perception", bench)
    wanted = by_hand(bench, [[f"{a(name)}."] for name in WORLD.names]).softmax(1)
    assert torch.allclose(found.exp(), wanted, atol=1e-5)
    assert any("names alone" in note for note in bench.notes)


def test_factors_multiply_and_are_kept_within_reach(make_bench: Benches) -> None:
    bench = make_bench()

    def factor(name: str, values: int, phrases: int) -> ImageFactor:
        return ImageFactor(
            name, tuple(tuple(f"{name} {v} {p}" for p in range(phrases)) for v in range(values))
        )

    given = (factor("place", 8, 3), factor("light", 6, 3), factor("pose", 8, 1), factor("age", 1, 1))
    kept = within_reach(given, bench)
    assert [each.name for each in kept] == ["place", "light", "age"]  # 8 x 6 x 8 would be too many
    assert 8 * 6 <= MOST_CONTEXTS < 8 * 6 * 8
    phrases = [len(value) for each in kept for value in each.values]
    assert phrases == [2] * 14 + [1]  # 24 x 18 texts a class are too many, 16 x 12 are not
    assert 16 * 12 <= MOST_TEXTS < 24 * 18
    assert kept[0].values[0] == ("place 0 0", "place 0 1")
    assert any("pose" in note for note in bench.notes)
