"""What is drawn for a world: who is listed, who is there, and what is set apart."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fieldmark.app.stores import open_stores
from fieldmark.aviary.world.attributes import KEYS
from fieldmark.aviary.world.grammar import phrase
from fieldmark.evals.worlds.conditions import CLEAR, MIDDLE, WorldConditions
from fieldmark.evals.worlds.draw import (
    blind_group,
    draw_species,
    draw_world,
    listed_species,
    present_classes,
    unseen_attributes,
    weakness_of,
)
from fieldmark.tools.books.wording import descriptor_text
from fieldmark.tools.clip.weakened import WeakenedEncoder, Weakness

SMALL = WorldConditions(names="mixed", species=10, images=2, unlisted=0.2, present=0.5, strangers=3, blind=2)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


def test_the_pool_holds_present_classes_all_unlisted_species_and_strangers(pictures: Path) -> None:
    drawn = draw_world(SMALL, seed=5, pictures=pictures, labels=3)
    assert len(drawn.species) == 10 and len(drawn.classes) == 8
    assert sum(species.known for species in drawn.species) == 5
    unlisted = {species.name for species in drawn.species} - set(drawn.classes)
    labels = [image.label for image in drawn.images]
    assert labels.count(None) == 3
    assert sum(label in unlisted for label in labels) == 2 * 2
    there = {label for label in labels if label in drawn.classes}
    assert len(there) == 4
    assert all(labels.count(name) == 2 for name in there)


def test_labelled_images_are_of_every_class_and_never_in_the_pool(pictures: Path) -> None:
    drawn = draw_world(SMALL, seed=5, pictures=pictures, labels=3)
    assert sorted(str(image.label) for image in drawn.labelled) == sorted(drawn.classes * 3)
    pool = {image.content_hash for image in drawn.images}
    apart = {image.content_hash for image in drawn.labelled}
    assert len(pool) == len(drawn.images) and len(apart) == len(drawn.labelled)
    assert not pool & apart
    assert draw_world(SMALL, seed=5, pictures=pictures).labelled == ()


def test_the_same_seed_draws_the_same_world_and_another_seed_another(pictures: Path, tmp_path: Path) -> None:
    def hashes(seed: int, folder: Path) -> list[str]:
        drawn = draw_world(SMALL, seed=seed, pictures=folder, labels=1)
        return [image.content_hash for image in (*drawn.images, *drawn.labelled)]

    assert hashes(5, pictures) == hashes(5, tmp_path)
    assert not set(hashes(5, pictures)) & set(hashes(6, pictures))


def test_the_clear_world_is_the_book_and_nothing_else(pictures: Path) -> None:
    drawn = draw_world(replace(CLEAR, species=4, images=1), seed=5, pictures=pictures)
    assert drawn.classes == tuple(species.name for species in drawn.species)
    assert sorted(str(image.label) for image in drawn.images) == sorted(drawn.classes)
    assert not weakness_of(CLEAR, 5).any


@pytest.mark.parametrize("species", [2, 3, 500])
@pytest.mark.parametrize("names", ["new", "mixed", "known"])
def test_two_species_and_five_hundred_can_be_drawn(species: int, names: str) -> None:
    if (species, names) == (500, "known"):
        return  # refused: the encoder does not know so many
    conditions = replace(CLEAR, species=species, names=names)
    book = draw_species(conditions, 400)
    assert len({each.name for each in book}) == len({tuple(each.marks.items()) for each in book}) == species
    assert sum(each.known for each in book) == conditions.known_species
    assert len(listed_species(book, replace(conditions, unlisted=0.0), 400)) == species


def test_unlisted_species_are_new_ones_and_known_ones() -> None:
    book = draw_species(MIDDLE, 400)
    listed = set(listed_species(book, MIDDLE, 400))
    left = [species for species in book if species not in listed]
    assert len(left) == 8
    assert {species.known for species in left} == {True, False}


def test_at_least_one_class_is_present() -> None:
    classes = tuple("abcdefgh")
    assert len(present_classes(classes, replace(CLEAR, present=0.0), 1)) == 1
    assert len(present_classes(classes, replace(CLEAR, present=0.25), 1)) == 2
    assert present_classes(classes, CLEAR, 1) == set(classes)


def test_more_blind_attributes_add_to_fewer() -> None:
    four, eight = (unseen_attributes(replace(CLEAR, blind=count), 3) for count in (4, 8))
    assert eight[:4] == four and len(set(eight)) == 8
    assert set(unseen_attributes(replace(CLEAR, blind=16), 3)) == set(KEYS)
    assert unseen_attributes(replace(CLEAR, blind=4), 4) != four
    assert weakness_of(replace(CLEAR, blind=4), 3).blind == tuple(blind_group(key) for key in four)


def test_a_blind_encoder_cannot_tell_the_colours_apart_and_still_sees_the_bill(pictures: Path) -> None:
    drawn = draw_world(replace(CLEAR, species=30, images=4), seed=400, pictures=pictures)
    marks = {species.name: species.marks for species in drawn.species}
    with open_stores(pictures / "home") as stores:
        encoder = stores.encoder("aviary", device="cpu")
        blind = WeakenedEncoder(encoder, Weakness(blind=(blind_group("body"),)))

        def right(through: WeakenedEncoder, key: str) -> float:
            values = sorted({own[key] for own in marks.values()})
            texts = through.encode_texts([descriptor_text("bird", phrase(key, value)) for value in values])
            found = (through.encode_images(drawn.images).vectors @ texts.T).argmax(1)
            own = torch.tensor([values.index(marks[str(image.label)][key]) for image in drawn.images])
            return float((found == own).float().mean())

        plain = WeakenedEncoder(encoder, Weakness())
        assert right(plain, "body") > 0.6
        assert right(blind, "body") < 0.25
        assert right(blind, "bill") > right(plain, "bill") - 0.1 > 0.4


def test_birds_have_a_habitat_of_their_own_and_pictures_in_a_row_show_one(pictures: Path) -> None:
    told = WorldConditions(species=4, images=5, habitats=0.8, burst=2)
    drawn = draw_world(told, seed=5, pictures=pictures)
    assert drawn.prior.keys() == drawn.groups.keys() == {image.content_hash for image in drawn.images}
    assert sorted(Counter(drawn.groups.values()).values()) == [1] * 4 + [2] * 8
    own = [
        drawn.prior[image.content_hash][drawn.classes.index(str(image.label))] > 1 / len(drawn.classes)
        for image in drawn.images
    ]
    assert sum(own) > len(own) / 2
    for image, other in zip(drawn.images, drawn.images[1:], strict=False):
        if drawn.groups[image.content_hash] == drawn.groups[other.content_hash]:
            assert drawn.prior[image.content_hash] == drawn.prior[other.content_hash]
    plain = draw_world(replace(told, habitats=0.0, burst=1), seed=5, pictures=pictures)
    assert plain.prior == plain.groups == {}
