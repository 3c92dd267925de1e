"""Adapters in the table: tuned on base classes, measured on others, read against the same texts without."""

from collections.abc import Sequence

import pytest
import torch

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import ModelError, QuestionFailed
from fieldmark.evals.table.bench import EvalBench
from fieldmark.tools.clip.encoder import Features
from fieldmark.tools.clip.last_layers import LastLayers, Projection
from fieldmark.tools.images.files import ImageFile
from tests.graph.world import PARTS, WIDTH, FakeEncoder, FakeModel, World, data_of
from tests.unit.evals.methods.made_up_bench import Benches, scored_by, scores_by

KEYS = ("adapt-linear", "gist", "adapt-low-rank")
BASE, TEST, SHOTS = 60, 20, 5
RANK, STRENGTH = 4, 0.15
NAMES = tuple(f"kind{number}" for number in range(BASE + TEST))
WORLD = World(names=NAMES, told=len(PARTS))


def turned(seed: int = 0) -> torch.Tensor:
    """A map that leads images away from their texts; changes of low rank can lead them back."""
    noise = torch.randn(2, WIDTH, RANK, generator=torch.Generator().manual_seed(seed))
    return torch.eye(WIDTH) + STRENGTH * noise[0] @ noise[1].T


class TurnedEncoder(FakeEncoder):
    """Image vectors led away from the texts, by the tower's last matrix."""

    def __init__(self, world: World) -> None:
        super().__init__(world, noise=0.6)
        self.last_layers: LastLayers = Projection(turned())

    def untouched(self, image: ImageFile) -> torch.Tensor:
        return torch.nn.functional.normalize(super().image_vector(image), dim=0)

    def image_vector(self, image: ImageFile) -> torch.Tensor:
        return turned() @ self.untouched(image)

    def encode_features(self, images: Sequence[ImageFile], *, progress: object = None) -> Features:
        rows = torch.stack([self.untouched(image) for image in images])
        return Features(rows.half(), torch.ones(len(images), dtype=torch.bool))


class Plain(FakeEncoder):
    """An encoder that shows no last layers."""


def images(numbers: range, each: int) -> tuple[ImageFile, ...]:
    return tuple(WORLD.image(number, copy, labelled=True) for number in numbers for copy in range(each))


def bench_of(make_bench: Benches, *, world: World = WORLD, **more: object) -> EvalBench:
    given = {
        "classes": NAMES[BASE:],
        "images": images(range(BASE, BASE + TEST), 6),
        "base": images(range(BASE), SHOTS),
        "train": (),
        "encoder": TurnedEncoder(world),
        "llm": FakeModel(world),
    } | more
    return make_bench(**given)  # type: ignore[arg-type]


def top1(bench: EvalBench, scores: torch.Tensor) -> float:
    return float((scores.argmax(1) == torch.from_numpy(bench.test.labels)).float().mean())


def test_frozen_is_the_unit_mean_of_the_texts_of_the_noun(make_bench: Benches) -> None:
    bench = bench_of(make_bench)
    found = scores_by("descriptors-prototype", bench)
    for column, name in enumerate(bench.classes):
        texts = [f"a photo of a bird, which has {WORLD.value(name, part)}." for part in PARTS]
        mean = sum(FakeEncoder(WORLD).encode_texts(texts))
        assert isinstance(mean, torch.Tensor)
        assert torch.allclose(found[:, column], 20.0 * bench.vectors @ (mean / mean.norm()), atol=1e-3)
    assert bench.cost.llm_requests == TEST
    assert bench.cost.images == 0


@pytest.mark.parametrize("key", KEYS)
def test_what_is_learned_on_base_classes_serves_others(make_bench: Benches, key: str) -> None:
    bench = bench_of(make_bench)
    before = top1(bench, scores_by("descriptors-prototype", bench))
    after = scored_by(key, bench_of(make_bench))
    assert after.scores is not None
    assert after.scores.shape == (6 * TEST, TEST)
    assert top1(bench, after.scores) > before + 0.05
    assert after.diagnostics["last loss"] < after.diagnostics["first loss"]


@pytest.mark.parametrize("key", KEYS)
def test_no_text_names_a_class_and_everything_used_is_counted(make_bench: Benches, key: str) -> None:
    bench = bench_of(make_bench)
    scores_by(key, bench)
    assert not [text for text in bench.encoder.texts if "kind" in text]
    assert bench.cost.llm_requests == BASE + TEST
    assert bench.cost.images == SHOTS * BASE


@pytest.mark.parametrize("key", KEYS)
def test_an_image_is_scored_alone_and_a_seed_is_a_draw(make_bench: Benches, key: str) -> None:
    every = scores_by(key, bench_of(make_bench))
    alone = scores_by(key, bench_of(make_bench, images=images(range(BASE, BASE + 2), 1)))
    assert torch.allclose(alone, every[[0, 6]], atol=1e-4)
    assert torch.equal(every, scores_by(key, bench_of(make_bench)))
    assert not torch.allclose(every, scores_by(key, bench_of(make_bench, seed=1)), atol=1e-3)


@pytest.mark.parametrize("key", KEYS)
def test_an_adapter_that_is_kept_is_not_tuned_again(
    make_bench: Benches, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, store = TurnedEncoder(WORLD), MemoryByteStore()
    encoder.adapters = lambda: store  # type: ignore[attr-defined]
    first = bench_of(make_bench, encoder=encoder)
    scored = scored_by(key, first)
    for name in ("tune_linear", "tune_low_rank"):
        monkeypatch.setattr(f"fieldmark.evals.methods.adapters.{name}", None)
    again = bench_of(make_bench, encoder=encoder)
    kept = scored_by(key, again)
    assert kept.scores is not None
    assert scored.scores is not None
    assert torch.equal(kept.scores, scored.scores)
    assert kept.diagnostics == scored.diagnostics
    assert again.cost == first.cost  # what a method needs does not depend on who paid for it
    with pytest.raises(TypeError):
        scored_by(key, bench_of(make_bench, encoder=encoder, seed=1))


def test_gist_matches_five_texts(make_bench: Benches) -> None:
    def both(told: int) -> tuple[torch.Tensor, torch.Tensor]:
        world = World(names=NAMES, told=told)
        first, second = (
            scores_by(key, bench_of(make_bench, world=world)) for key in ("adapt-linear", "gist")
        )
        return first, second

    # Of five texts all five are matched; of six one is not.
    assert torch.equal(*both(5))
    assert not torch.allclose(*both(6), atol=1e-3)


def test_low_rank_changes_need_an_encoder_that_shows_its_last_layers(make_bench: Benches) -> None:
    with pytest.raises(ModelError, match="last layers"):
        scored_by("adapt-low-rank", bench_of(make_bench, encoder=Plain(WORLD)))


def test_a_class_without_an_answer_keeps_its_name(make_bench: Benches) -> None:
    gone = {NAMES[0], NAMES[-1]}

    def fault(question: object) -> Exception | None:
        asked = data_of(question)  # type: ignore[arg-type]
        return QuestionFailed("no answer", reason="empty") if asked.get("class") in gone else None

    bench = bench_of(make_bench, llm=FakeModel(WORLD, fault=fault))
    scores = scores_by("adapt-linear", bench)
    assert bool(torch.isfinite(scores).all())
    named = {text for text in bench.encoder.texts if "kind" in text}
    assert named == {f"a photo of a {name}." for name in gone}
    assert bench.notes == ["2 of 80 questions brought no usable answer"]
