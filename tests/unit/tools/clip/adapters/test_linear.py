"""The linear adapter: it finds a planted rotation, does nothing in no steps, and is the same for a seed."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.clip.adapters.linear import LinearAdapter, tune_linear
from fieldmark.tools.clip.adapters.tuning import AdapterRecipe
from tests.unit.tools.clip.adapters.conftest import top1

LONG = AdapterRecipe(steps=300, rate=0.05, decay=1e-3)


@pytest.mark.parametrize(
    "recipe",
    [LONG, AdapterRecipe(loss="bags", steps=300, rate=0.05, decay=1e-3)],
    ids=["texts", "bags"],
)
def test_a_planted_rotation_is_found_and_holds_for_new_classes(turned, recipe):
    before = top1(turned.new_vectors, turned.new_labels, turned.new_bags)
    adapter = tune_linear(turned.vectors, turned.labels, turned.bags, scale=20, recipe=recipe)
    made = adapter(turned.new_vectors)
    assert before < 0.2
    assert top1(made, turned.new_labels, turned.new_bags) > 0.95
    assert float((made * turned.meant).sum(1).mean()) > 0.9
    assert adapter.losses[-1] < 0.7 * adapter.losses[0]


def test_matched_texts_find_it_too_where_texts_are_not_turned_out_of_reach(turned):
    """Matching goes by the untuned vectors: with the images where they are meant to be it is sound."""
    recipe = AdapterRecipe(matched=1, steps=50, decay=1e-3)
    adapter = tune_linear(turned.meant, turned.new_labels, turned.new_bags, scale=20, recipe=recipe)
    assert top1(adapter(turned.meant), turned.new_labels, turned.new_bags) > 0.95
    assert adapter.losses[-1] < adapter.losses[0]


def test_no_steps_are_the_identity_to_the_bit(turned):
    adapter = tune_linear(turned.vectors, turned.labels, turned.bags, scale=20, recipe=AdapterRecipe(steps=0))
    assert torch.equal(adapter(turned.new_vectors), turned.new_vectors)
    assert adapter.losses == ()


def test_a_seed_gives_the_same_bits_and_another_seed_others(turned):
    recipe = AdapterRecipe(steps=5, batch=64)
    first, again, other = (
        tune_linear(turned.vectors, turned.labels, turned.bags, scale=20, recipe=recipe, seed=seed)
        for seed in (3, 3, 4)
    )
    assert torch.equal(first.change, again.change)
    assert first.losses == again.losses
    assert not torch.equal(first.change, other.change)


def test_decay_pulls_towards_doing_nothing(turned):
    sizes = [
        float(
            tune_linear(
                turned.vectors,
                turned.labels,
                turned.bags,
                scale=20,
                recipe=AdapterRecipe(decay=decay, rate=0.01),
            ).change.norm()
        )
        for decay in (1e-3, 1.0, 100.0)
    ]
    assert sizes[0] > 1.5 * sizes[1] > 15 * sizes[2] > 0


def test_rows_of_failed_images_stay_zero():
    adapter = LinearAdapter(torch.ones(2, 2))
    assert adapter(torch.zeros(1, 2)).tolist() == [[0.0, 0.0]]


def test_the_generator_of_the_process_is_left_alone(turned):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    tune_linear(turned.vectors, turned.labels, turned.bags, scale=20, recipe=AdapterRecipe(steps=2))
    assert torch.equal(torch.get_rng_state(), before)


def test_input_that_does_not_fit_is_refused(turned):
    with pytest.raises(InputError):
        tune_linear(turned.vectors[:, :5], turned.labels, turned.bags, scale=20)
    with pytest.raises(InputError):
        tune_linear(turned.vectors, turned.labels, turned.bags, scale=0)
    with pytest.raises(InputError):
        LinearAdapter(torch.zeros(3, 3))(torch.ones(2, 4))


@pytest.mark.parametrize(
    "wrong",
    [{"steps": -1}, {"batch": 0}, {"rate": 0}, {"decay": -1}, {"temperature": 0}, {"matched": 0},
     {"loss": "bags", "matched": 5}],
)  # fmt: skip
def test_recipes_that_cannot_be_followed_are_refused(wrong):
    with pytest.raises(InputError):
        AdapterRecipe(**wrong)
