"""Entries that use a pool: which of its images support a class, and whose captions stand beside them."""

import pytest
import torch

from fieldmark.evals.methods.caps_adapter import caps_adapter_scores
from fieldmark.evals.methods.shared.support import Support
from fieldmark.evals.methods.sus_x import tip_x_scores
from tests.graph.world import PARTS, FakeEncoder
from tests.unit.evals.methods.made_up_bench import TEST, WORLD, Benches, scores_by

ENCODER = FakeEncoder(WORLD)
POOL = tuple(WORLD.image(number, copy) for copy in (20, 21, 22) for number in range(6))
CAPTIONS = tuple(
    f"number {place} with {WORLD.value(TEST.classes[place % 6], PARTS[1])}" for place in range(18)
)
DESCRIBED = [f"{name}, which is {WORLD.value(name, PARTS[0])}" for name in TEST.classes]
PLAIN = [f"a photo of {'an' if name[0] in 'aeiou' else 'a'} {name}." for name in TEST.classes]


def expected_support(words: torch.Tensor, pool: torch.Tensor, each: int) -> tuple[Support, list[int]]:
    """The pool's images nearest to each class text, one class after the other."""
    rows = [
        row for text in words for row in sorted(range(len(pool)), key=lambda r: -float(pool[r] @ text))[:each]
    ]
    labels = torch.arange(len(words)).repeat_interleave(each)
    return Support(pool[rows], labels), rows


@pytest.mark.parametrize(("suffix", "texts"), [("", PLAIN), ("-descriptors", DESCRIBED)])
def test_support_is_found_by_class_text_and_captions_go_with_their_images(
    make_bench: Benches, suffix: str, texts: list[str]
) -> None:
    words = ENCODER.encode_texts(texts)
    pool = ENCODER.encode_images(POOL).vectors
    support, rows = expected_support(words, pool, 3)
    bench = make_bench(pool=POOL, captions=CAPTIONS)
    expected = tip_x_scores(bench.vectors, words, support=support, logit_scale=20.0)
    assert torch.allclose(scores_by(f"sus-x{suffix}", bench), expected, atol=1e-4)
    assert bench.cost.images == len(POOL)

    captions = ENCODER.encode_texts([CAPTIONS[row] for row in rows])
    bench = make_bench(pool=POOL, captions=CAPTIONS)
    expected = caps_adapter_scores(bench.vectors, words, support=support, captions=captions, logit_scale=20.0)
    assert torch.allclose(scores_by(f"caps-adapter{suffix}", bench), expected, atol=1e-4)


def test_a_class_has_one_support_image_at_least_and_sixteen_at_most(make_bench: Benches) -> None:
    words = ENCODER.encode_texts(PLAIN)
    large = tuple(WORLD.image(number, copy) for number in range(6) for copy in range(20, 40))
    for pool, each in ((POOL[:2], 1), (large, 16)):
        support, _ = expected_support(words, ENCODER.encode_images(pool).vectors, each)
        bench = make_bench(pool=pool)
        expected = tip_x_scores(bench.vectors, words, support=support, logit_scale=20.0)
        assert torch.allclose(scores_by("sus-x", bench), expected, atol=1e-4)
