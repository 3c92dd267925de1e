"""What a world's conditions may be, and the two that have names."""

from dataclasses import fields, replace

import pytest

from fieldmark.aviary.world.attributes import KEYS
from fieldmark.aviary.world.species import KNOWN_ROSTER_SIZE
from fieldmark.errors import InputError
from fieldmark.evals.worlds.conditions import BOUNDS, CLEAR, DEFAULT, MIDDLE, WorldConditions


def test_the_clear_world_has_nothing_hard() -> None:
    assert (CLEAR.names, CLEAR.mistakes, CLEAR.present) == ("new", 0.15, 1.0)
    assert not any((CLEAR.image_noise, CLEAR.text_noise, CLEAR.unlisted, CLEAR.strangers, CLEAR.blind))


def test_the_middle_world_is_the_default() -> None:
    assert DEFAULT == MIDDLE
    assert (
        WorldConditions(
            names="mixed", image_noise=1.0, text_noise=0.5, mistakes=0.25, unlisted=0.1, strangers=20
        )
        == MIDDLE
    )
    assert (MIDDLE.known_species, MIDDLE.unlisted_species) == (40, 8)


def test_every_number_has_bounds_and_both_ends_are_inside() -> None:
    assert {each.name for each in fields(WorldConditions)} == {*BOUNDS, "names"}
    for name, (least, most) in BOUNDS.items():
        for value in (least, most):
            assert getattr(replace(CLEAR, **{name: value}), name) == value
        for value in (least - 1, most + 1, True, "3", float("nan")):
            with pytest.raises(InputError, match=f"{name} cannot be") as error:
                replace(CLEAR, **{name: value})
            assert error.value.field == name
    with pytest.raises(InputError, match="species"):
        WorldConditions(species=4.5)  # pyright: ignore[reportArgumentType]


def test_names_are_one_of_three() -> None:
    with pytest.raises(InputError, match="names cannot be 'old'"):
        WorldConditions(names="old")  # pyright: ignore[reportArgumentType]


def test_as_many_names_are_known_as_there_are() -> None:
    assert WorldConditions(names="mixed", species=500).known_species == 200
    assert WorldConditions(names="known", species=200).known_species == 200
    with pytest.raises(InputError, match="knows 200 species by name, not 500"):
        WorldConditions(names="known", species=500)


def test_two_classes_are_left() -> None:
    assert WorldConditions(species=3, unlisted=0.34).unlisted_species == 1
    with pytest.raises(InputError, match="leave no two classes"):
        WorldConditions(species=2, unlisted=0.5)


def test_what_is_written_down_of_the_aviary_holds() -> None:
    assert BOUNDS["blind"][1] == len(KEYS)
    WorldConditions(names="known", species=KNOWN_ROSTER_SIZE)
    with pytest.raises(InputError, match="by name"):
        WorldConditions(names="known", species=KNOWN_ROSTER_SIZE + 1)
