"""The aviary's settings: what each offers to methods, and what it keeps from them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fieldmark.aviary.world.species import Species
from fieldmark.errors import InputError
from fieldmark.evals.table.run import record_of
from fieldmark.evals.table.sources.aviary_settings import SETTINGS, AviaryWorld
from fieldmark.evals.table.test_set import MethodNeed


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> AviaryWorld:
    """A few species, one picture of each."""
    pictures: Path = tmp_path_factory.mktemp("pictures")
    return AviaryWorld(seed=0, species=12, images=1, shots=1, pool=1, pictures=pictures)


def test_the_observed_species_of_the_taxonomy_are_those_known_by_name(world: AviaryWorld) -> None:
    test, book = SETTINGS["taxonomy"](world)
    assert test.observed == tuple(species.name for species in book if species.known)
    assert len(test.observed) == 6
    noun = {species.name: species.noun for species in book}
    family = {species.name: species.family for species in book}
    known = {species.name for species in book if species.known}
    for row, first in enumerate(test.classes):
        for column, second in enumerate(test.classes):
            # A new species hangs one edge lower than a known one.
            low = (first not in known) + (second not in known)
            steps = record_of(test).distances[row][column]
            if first == second:
                assert steps == 0
            elif family[first] == family[second] != "known":
                assert steps == 2
            elif noun[first] == noun[second]:
                assert steps == 2 + low
            else:
                assert steps in (4 + low, 6 + low)


def test_kinds_of_one_build_are_nearer(world: AviaryWorld) -> None:
    test, _ = SETTINGS["habitat"](world)
    parents = test.parents
    distances = record_of(test).distances
    for row, first in enumerate(test.classes):
        for column, second in enumerate(test.classes):
            same = parents[first] == parents[second]
            assert distances[row][column] == (0 if first == second else 2 if same else 4)
    assert len({parents[name] for name in test.classes}) > 1


def test_without_a_vocabulary_there_is_neither_name_nor_label(world: AviaryWorld) -> None:
    test, _ = SETTINGS["vocabulary"](world)
    assert test.offers(llm=True) == {MethodNeed.POOL, MethodNeed.CAPTIONS, MethodNeed.TREE}
    assert any(name in caption for name in test.classes for caption in test.captions)


def test_beside_new_species_stand_known_ones_to_learn_on(world: AviaryWorld) -> None:
    test, book = SETTINGS["new"](replace(world, base_images=2))
    species = {each.name: each for each in book}
    assert len(test.base_classes) == 9
    assert len(test.base) == 18
    assert all(species[name].known for name in test.base_classes)
    assert not any(species[name].known for name in test.classes)
    # The guide knows all; the columns are those of the new species alone, in their order.
    assert tuple(species) == (*test.classes, *species_of(book, known=True))
    assert set(test.base_classes) == set(species_of(book, known=True))
    shown = {image.content_hash for image in (*test.images, *test.train, *test.pool)}
    assert not shown & {image.content_hash for image in test.base}
    for setting in ("known", "taxonomy", "habitat", "vocabulary"):
        assert not SETTINGS[setting](world)[0].base


def species_of(book: Sequence[Species], *, known: bool) -> tuple[str, ...]:
    return tuple(each.name for each in book if each.known == known)


def test_images_of_no_class_stand_in_the_pool_alone(world: AviaryWorld) -> None:
    harder = replace(world, unlisted=0.25, present=0.5, strangers=4, image_noise=1.0, blind=2)
    for setting in ("new", "known", "taxonomy", "vocabulary"):
        test, book = SETTINGS[setting](harder)
        assert len(test.classes) == 9 and set(test.classes) <= {species.name for species in book}
        assert {image.label for image in test.images} < set(test.classes)
        assert len(test.images) == round(9 * 0.5)
        others = [image.label for image in test.pool if image.label not in test.classes]
        assert (len(others), others.count(None)) == (3 + 4, 4)
        assert len(test.pool) == 7 + len(test.images)
        assert test.captions[-4:] == tuple(
            f"a picture of {kind}" for kind in ("noise", "one colour", "a gradient", "stripes")
        )
        assert (test.weakness.image_noise, len(test.weakness.blind)) == (1.0, 2)
        # Labelled images and the tree are those of every class, whether it is there or not.
        assert {image.label for image in test.train} == (
            set() if setting == "vocabulary" else set(test.classes)
        )
        assert set(test.classes) <= set(test.parents)
        assert set(test.observed) <= set(test.classes)


def test_pictures_are_those_of_the_clear_world(world: AviaryWorld) -> None:
    clear, _ = SETTINGS["new"](world)
    harder, _ = SETTINGS["new"](replace(world, unlisted=0.25, present=0.5, strangers=4))
    assert {image.content_hash for image in harder.images} < {image.content_hash for image in clear.images}
    assert {image.content_hash for image in harder.train} < {image.content_hash for image in clear.train}
    assert not clear.weakness.any


def test_every_kind_of_bird_is_listed(world: AviaryWorld) -> None:
    for changed in ({"unlisted": 0.25}, {"present": 0.5}):
        with pytest.raises(InputError, match="kinds of birds"):
            SETTINGS["habitat"](replace(world, **changed))  # pyright: ignore[reportArgumentType]
    test, _ = SETTINGS["habitat"](replace(world, strangers=2))
    assert len(test.captions) == len(test.pool) and [image.label for image in test.pool[-2:]] == [None, None]


def test_several_classes_an_image(world: AviaryWorld) -> None:
    test, book = SETTINGS["together"](world)
    assert {len(shown) for shown in test.shown} == {1, 2}
    assert set().union(*test.shown) <= {species.name for species in book}
    assert record_of(test).shown[0] == tuple(sorted(map(test.classes.index, test.shown[0])))
    assert test.lacking("clip", {MethodNeed.NAMES}, test.offers(llm=True)) == []
    assert test.lacking("resolve", set(), set()) == [MethodNeed.ONE]
    drawn, nobody = SETTINGS["marks"](replace(world, seed=1))
    assert not nobody
    assert {"red cap", "hooked bill", "white wings"} <= set(drawn.classes)
    assert not any(name.endswith("none") or name.startswith("no ") for name in drawn.classes)
    # One body colour, one bill and one size: each bird has each attribute that cannot be absent.
    assert all(sum(name.endswith(" body") for name in shown) in (1, 2) for shown in drawn.shown)
    with pytest.raises(InputError, match="none is unlisted"):
        SETTINGS["together"](replace(world, unlisted=0.5))
