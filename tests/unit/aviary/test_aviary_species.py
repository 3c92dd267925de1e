"""Species books: determinism, families of look-alikes, names that the model cannot know."""

import itertools
import random
from collections import Counter

import pytest

from aviary_training.captions import made_up_word, training_caption
from fieldmark.aviary.world.attributes import (
    ATTRIBUTE_BY_KEY,
    ATTRIBUTES,
    BUILD_KEYS,
    KEYS,
    KIND_BY_NOUN,
    KINDS,
    NOUNS,
    clashes,
)
from fieldmark.aviary.world.species import (
    RESERVED_SYLLABLES,
    TRAINING_SYLLABLES,
    Species,
    book_from_json,
    book_to_json,
    clearly_differing,
    differing,
    known_species,
    random_marks,
    species_book,
    world_hash,
)
from fieldmark.errors import InputError


def families(book):
    new = [species for species in book if not species.known]
    return [list(group) for _, group in itertools.groupby(new, key=lambda species: species.family)]


def test_table_is_consistent():
    assert len(ATTRIBUTES) == 16 and len(NOUNS) == 10
    for kind in KINDS:
        assert set(kind.marks) == set(BUILD_KEYS)
        for key, value in kind.marks.items():
            assert value in ATTRIBUTE_BY_KEY[key].values
    builds = {tuple(kind.marks[key] for key in BUILD_KEYS) for kind in KINDS}
    assert len(builds) == len(KINDS)


def test_same_seed_same_book_and_other_seed_other_book():
    assert species_book(5) == species_book(5)
    assert world_hash(species_book(5)) == world_hash(species_book(5))
    assert world_hash(species_book(5)) != world_hash(species_book(6))


def test_world_hash_is_pinned():
    # A change here means that cached answers and recorded runs of the aviary are void.
    assert world_hash(species_book(1)).startswith("156dd8dc77fa3c9d")


@pytest.mark.parametrize("seed", range(6))
def test_families_are_look_alikes(seed):
    book = species_book(seed)
    assert len(book) == 100 and len({species.name for species in book}) == 100
    sizes = Counter(len(group) for group in families(book))
    assert set(sizes) <= set(range(3, 9))
    assert sizes[3] + sizes[4] + sizes[5] >= sum(sizes.values()) / 2
    for group in families(book):
        base = group[0].marks
        for species in group:
            assert species.noun == group[0].noun
            assert len(differing(species.marks, base)) <= 4
            assert not clashes(species.marks)
            assert {key: species.marks[key] for key in BUILD_KEYS} == dict(KIND_BY_NOUN[species.noun].marks)
        for first, second in itertools.combinations(group, 2):
            assert clearly_differing(first.marks, second.marks)


def test_families_of_one_noun_are_further_apart_than_siblings():
    book = species_book(3)
    groups = families(book)
    for first, second in itertools.combinations(groups, 2):
        if first[0].noun == second[0].noun:
            assert len(differing(first[0].marks, second[0].marks)) >= 5


def test_known_species_do_not_depend_on_the_seed():
    roster = known_species()
    assert len(roster) == 200 == len({species.name for species in roster})
    for seed in (0, 1):
        taken = [species for species in species_book(seed) if species.known]
        assert len(taken) == 20 and set(taken) <= set(roster)


def test_new_names_share_nothing_with_training_names():
    for count in (1, 2, 3):
        for parts in itertools.product(TRAINING_SYLLABLES, repeat=count):
            word = "".join(parts)
            assert not any(syllable in word for syllable in RESERVED_SYLLABLES)
    rng = random.Random(0)
    trained = [made_up_word(rng) for _ in range(5000)] + [s.name.split()[0] for s in known_species()]
    assert not any(syllable in word for word in trained for syllable in RESERVED_SYLLABLES)
    new = {species.name for seed in range(20) for species in species_book(seed) if not species.known}
    assert not new & {species.name for species in known_species()}


def test_training_captions_name_no_new_species():
    rng = random.Random(4)
    words = {species.name.split()[0] for seed in range(5) for species in species_book(seed, known=0)}
    for _ in range(2000):
        noun = rng.choice((*NOUNS, None))
        text = training_caption(random_marks(rng, noun), "water", "day", noun, None, rng)
        assert not words & set(text.replace(",", " ").replace(".", " ").split())


def test_json_round_trip_and_refusal():
    book = species_book(2, new=12, known=3)
    assert book_from_json(book_to_json(book)) == book
    for text in ('{"schema": 0}', "[]", "no json", '{"schema": 1, "species": [{"name": "x"}]}'):
        with pytest.raises(InputError, match="species book"):
            book_from_json(text)


@pytest.mark.parametrize(("new", "known"), [(0, 5), (3, 0), (4, 0), (7, 1), (240, 200)])
def test_books_of_any_size(new, known):
    book = species_book(9, new=new, known=known)
    assert sum(not species.known for species in book) == new
    assert sum(species.known for species in book) == known


@pytest.mark.parametrize(("new", "known"), [(1, 0), (2, 0), (-3, 0), (10, 201), (10, -1), (100_000, 0)])
def test_impossible_books_are_refused(new, known):
    with pytest.raises(InputError, match=r"species|book"):
        species_book(0, new=new, known=known)


def test_species_are_checked_and_read_only():
    marks = random_marks(random.Random(0), "heron")
    species = Species("x heron", "heron", "heron-1", marks, known=False)
    assert list(species.marks) == list(KEYS)
    with pytest.raises(TypeError):
        species.marks["cap"] = "red"
    with pytest.raises(InputError, match="plaid"):
        Species("x heron", "heron", "heron-1", marks | {"body": "plaid"}, known=False)
    with pytest.raises(InputError, match="exactly"):
        Species("x heron", "heron", "heron-1", {"body": "red"}, known=False)
