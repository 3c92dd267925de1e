"""A bench on the made-up world, for methods that are to be held to the texts they should build."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch

from fieldmark.app.event_loop import run_to_end
from fieldmark.errors import QuestionFailed
from fieldmark.evals.methods.registry import BY_KEY
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import MethodScores
from fieldmark.evals.table.test_set import ImageFactor, TestSet
from fieldmark.records import Question
from fieldmark.tools.runs.folder import RunFolder
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
        ImageFactor("light", (("at dawn", "in the morning"), ("at night",))),
        ImageFactor("place", (("at sea",), ("on land",))),
    ),
    templates=("a {}, a bird.", "a bird: {}."),
    questions=("What does a {} look like?",),
    concept="flyer",
)


@dataclass
class Benches:
    """Makes benches, each with counters at zero.

    Attributes:
        folder: Where their runs go.
    """

    folder: Path

    def __call__(self, *, seed: int = 0, llm: Any = "true", encoder: Any = None, **changed: Any) -> EvalBench:
        """A bench.

        Args:
            seed: Its seed.
            llm: Its language model, None for none; one that answers truly where not given.
            encoder: Its encoder; the made-up one where not given.
            changed: Whatever of the test set differs.
        """
        return EvalBench.of(
            replace(TEST, **changed),
            encoder=encoder or FakeEncoder(WORLD),
            llm=FakeModel(WORLD) if llm == "true" else llm,
            run=RunFolder(self.folder / f"run-{next(_RUNS)}"),
            seed=seed,
        )


def scored_by(key: str, bench: EvalBench) -> MethodScores:
    """What the method of this key says."""

    async def run() -> MethodScores:
        return await BY_KEY[key].run(bench)

    return run_to_end(run())


def scores_by(key: str, bench: EvalBench) -> torch.Tensor:
    """Its scores `[N, C]`."""
    scores = scored_by(key, bench).scores
    assert scores is not None
    return scores


_RUNS = count()


def refusing(asked: Callable[[Question[Any]], bool]) -> FakeModel:
    """A language model that refuses some questions."""

    def fault(question: Question[Any]) -> Exception | None:
        return QuestionFailed("I must not", reason="refused") if asked(question) else None

    return FakeModel(WORLD, fault=fault)


def by_hand(bench: EvalBench, texts: Sequence[Sequence[str]], *, scale: float = 20.0) -> torch.Tensor:
    """Logits `[N, C]` with the unit mean of each class's texts, text by text."""
    columns: list[torch.Tensor] = []
    for own in texts:
        mean = sum(bench.encoder.encode_texts([text])[0] for text in own) / torch.tensor(float(len(own)))
        columns.append(scale * (bench.vectors @ (mean / mean.norm())))
    return torch.stack(columns, dim=1)
