"""Loki's entries: what is observed, by which distances labels are weighed, and what the base alone says."""

import numpy as np
import pytest
import torch

from tests.graph.world import FakeEncoder
from tests.unit.evals.methods.made_up_bench import TEST, WORLD, Benches, scores_by

ENCODER = FakeEncoder(WORLD)
NAMES = TEST.classes
WORDS = ENCODER.encode_texts(
    [f"a photo of {'an' if name[0] in 'aeiou' else 'a'} {name}." for name in NAMES]
).numpy()
OBSERVED = (NAMES[3], NAMES[0], NAMES[4])  # the order in which they are told must not matter
COLUMNS = [0, 3, 4]
PARENTS = {
    NAMES[0]: "waders", NAMES[1]: "waders", "waders": "bird",
    NAMES[2]: "others", NAMES[3]: "others", NAMES[4]: "small", NAMES[5]: "small",
    "small": "others", "others": "bird",
}  # fmt: skip
STEPS = [[0, 4, 5], [2, 4, 5], [4, 2, 3], [4, 0, 3], [5, 3, 0], [5, 3, 2]]
"""Edges between each class and the three observed ones, counted by hand."""


def beliefs(vectors: np.ndarray, columns: list[int]) -> np.ndarray:
    """What a base model that knows some classes believes `[N, K]`."""
    weights = np.exp(20.0 * vectors @ WORDS[columns].T)
    return weights / weights.sum(axis=1, keepdims=True)


def test_labels_are_weighed_by_steps_in_the_tree(make_bench: Benches) -> None:
    bench = make_bench(parents=PARENTS, observed=OBSERVED)
    found = scores_by("loki-tree", bench).numpy()
    shares = beliefs(bench.vectors.numpy(), COLUMNS)
    expected = [[-sum(p * d * d for p, d in zip(row, own, strict=True)) for own in STEPS] for row in shares]
    assert found == pytest.approx(np.array(expected), abs=1e-3)


def test_without_a_tree_labels_are_weighed_by_their_texts(make_bench: Benches) -> None:
    bench = make_bench(observed=OBSERVED)
    found = scores_by("loki-text", bench).numpy()
    shares = beliefs(bench.vectors.numpy(), COLUMNS)
    squares = ((WORDS[:, None] - WORDS[None, COLUMNS]) ** 2).sum(axis=2)
    assert found == pytest.approx(-shares @ squares.T, abs=1e-4)


def test_the_base_knows_the_observed_classes_alone(make_bench: Benches) -> None:
    bench = make_bench(parents=PARENTS, observed=OBSERVED)
    found = scores_by("loki-base", bench)
    assert found[:, [1, 2, 5]].isinf().all()
    assert found[:, COLUMNS].softmax(dim=1).numpy() == pytest.approx(
        beliefs(bench.vectors.numpy(), COLUMNS), abs=1e-5
    )


def test_where_nothing_is_named_every_class_is_observed(make_bench: Benches) -> None:
    bench = make_bench(parents=PARENTS)
    base = scores_by("loki-base", bench)
    assert torch.allclose(base, scores_by("clip", make_bench()), atol=1e-5)
    far = dict.fromkeys(NAMES, "bird")
    tree = scores_by("loki-tree", make_bench(parents=far))  # all classes equally far: Loki is the argmax
    assert torch.equal(tree.argmax(dim=1), base.argmax(dim=1))
