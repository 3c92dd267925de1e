"""Low-rank changes: a planted one is found, none are made in no steps, and a seed gives the same bits."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.clip.adapters import low_rank
from fieldmark.tools.clip.adapters.low_rank import last_vectors, tune_low_rank
from fieldmark.tools.clip.adapters.tuning import AdapterRecipe
from fieldmark.tools.clip.last_layers import AttentionPool, Projection
from tests.unit.tools.clip.adapters.conftest import top1

LONG = AdapterRecipe(steps=400, rate=0.02, decay=1e-5)


@pytest.fixture
def planted(turned):
    """A projection that lacks a change of rank 2, and features that the whole one takes to their texts."""
    chance = torch.Generator().manual_seed(2)
    whole = torch.linalg.qr(torch.randn(16, 12, generator=chance)).Q.T
    lacking = torch.randn(12, 2, generator=chance) @ torch.randn(2, 16, generator=chance)
    texts = turned.bags.member.float() @ turned.bags.vectors
    # Features whose projection by the whole matrix is the class's mean text.
    made = texts[turned.labels] @ whole
    noise = 0.1 * torch.randn(len(made), 16, generator=chance)
    new = turned.meant @ whole
    return Projection(whole - lacking), made + noise, new


@pytest.fixture
def pool():
    chance = torch.Generator().manual_seed(3)

    def matrix(*size):
        return torch.randn(*size, generator=chance) / 3

    names = ("query", "key", "value", "output")
    return AttentionPool(
        positions=matrix(5, 8),
        weights={name: matrix(12 if name == "output" else 8, 8) for name in names},
        biases={name: matrix(12 if name == "output" else 8) for name in names},
        heads=2,
    )


def test_a_planted_change_is_found_and_holds_for_new_classes(planted, turned):
    layers, features, new = planted
    adapter = tune_low_rank(layers, features, turned.labels, turned.bags, scale=20, rank=2, recipe=LONG)
    before = top1(last_vectors(layers, new), turned.new_labels, turned.new_bags)
    after = top1(adapter(new), turned.new_labels, turned.new_bags)
    assert before < 0.7
    assert after > 0.9
    down, up = adapter.changes["projection"]
    assert (down.shape, up.shape) == ((2, 16), (12, 2))


@pytest.mark.parametrize("matrices", [None, ["value", "output"]])
def test_no_steps_are_the_untouched_layers_to_the_bit(pool, turned, matrices):
    features = torch.randn(500, 8, 2, 2, generator=torch.Generator().manual_seed(5)).half()
    adapter = tune_low_rank(
        pool, features, turned.labels, turned.bags, scale=20, matrices=matrices, recipe=AdapterRecipe(steps=0)
    )
    assert torch.equal(adapter(features), last_vectors(pool, features))
    assert list(adapter.changes) == (matrices or ["query", "key", "value", "output"])


def test_every_matrix_of_a_pool_learns(pool, turned):
    features = torch.randn(500, 8, 2, 2, generator=torch.Generator().manual_seed(5))
    adapter = tune_low_rank(
        pool,
        features,
        turned.labels,
        turned.bags,
        scale=20,
        rank=2,
        recipe=AdapterRecipe(steps=40, rate=0.01),
    )
    assert all(bool(up.any()) for _, up in adapter.changes.values())
    assert sum(adapter.losses[-5:]) < sum(adapter.losses[:5])


def test_a_seed_gives_the_same_bits_and_another_seed_others(planted, turned):
    layers, features, _ = planted

    def made(seed):
        recipe = AdapterRecipe(steps=4, batch=50)
        return tune_low_rank(
            layers, features, turned.labels, turned.bags, scale=20, rank=3, recipe=recipe, seed=seed
        )

    first, again, other = made(1), made(1), made(2)
    for one, two in zip(first.changes["projection"], again.changes["projection"], strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(first.changes["projection"][0], other.changes["projection"][0])


def test_images_that_are_too_many_to_keep_half_done_give_the_same(planted, turned, monkeypatch):
    layers, features, new = planted
    recipe = AdapterRecipe(steps=20)
    kept = tune_low_rank(layers, features, turned.labels, turned.bags, scale=20, recipe=recipe)
    monkeypatch.setattr(low_rank, "_KEPT", 1)
    anew = tune_low_rank(layers, features, turned.labels, turned.bags, scale=20, recipe=recipe)
    torch.testing.assert_close(kept(new), anew(new), atol=1e-4, rtol=0)


def test_the_size_of_changes_is_that_of_the_whole_matrices():
    chance = torch.Generator().manual_seed(6)
    changes = {
        name: (torch.randn(3, 7, generator=chance), torch.randn(5, 3, generator=chance)) for name in "ab"
    }
    whole = sum(float((up @ down).square().sum()) for down, up in changes.values())
    assert float(low_rank._size(changes)) == pytest.approx(whole, rel=1e-5)


def test_input_that_does_not_fit_is_refused(planted, turned):
    layers, features, _ = planted
    with pytest.raises(InputError):
        last_vectors(layers, features[:, :5])
    for wrong in ({"rank": 0}, {"matrices": ["output"]}, {"matrices": []}):
        with pytest.raises(InputError):
            tune_low_rank(layers, features, turned.labels, turned.bags, scale=20, **wrong)
    with pytest.raises(InputError):
        tune_low_rank(layers, features, turned.labels[:5], turned.bags, scale=20)
