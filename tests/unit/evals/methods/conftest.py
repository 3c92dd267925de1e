"""A bench on the made-up world, for methods that are to be held to the texts they should build."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fieldmark.evals.methods.bench import Bench
from fieldmark.evals.table.test_set import Factor, TestSet
from fieldmark.tools.run_folder import RunFolder
from tests.graph.world import FakeEncoder, FakeModel, World

WORLD = World(names=("finch", "heron", "gull", "owl", "crane", "robin"))
TEST = TestSet(
    data="made up",
    setting="test",
    classes=WORLD.names,
    noun="bird",
    images=tuple(WORLD.image(number, copy, labelled=True) for number in range(6) for copy in range(3)),
    train=tuple(WORLD.image(number, copy, labelled=True) for number in range(6) for copy in (10, 11, 12, 13)),
    factors=(
        Factor("light", (("at dawn", "in the morning"), ("at night",))),
        Factor("place", (("at sea",), ("on land",))),
    ),
    templates=("a {}, a bird.", "a bird: {}."),
    questions=("What does a {} look like?",),
    concept="flyer",
)
MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(tmp_path: Path) -> MakeBench:
    """Makes benches: `seed`, `llm` (None for none), `encoder`, and whatever of the test set differs."""

    def make(*, seed: int = 0, llm: Any = "true", encoder: Any = None, **changed: Any) -> Bench:
        return Bench.of(
            replace(TEST, **changed),
            encoder=encoder or FakeEncoder(WORLD),
            llm=FakeModel(WORLD) if llm == "true" else llm,
            run=RunFolder(tmp_path / "run"),
            seed=seed,
        )

    return make
