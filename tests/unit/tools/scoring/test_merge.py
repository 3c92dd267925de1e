"""Merging by spelling and by meaning, with made-up vectors."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.scoring.merge import (
    centred_unit,
    cluster,
    is_negative,
    merge_attributes,
    merge_values,
    normal_name,
    normal_phrase,
)


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("Bill Color", "bill colour"),
        ("bill_colours", "bill colour"),
        ("  bill-COLOR: ", "bill colour"),
        ("Wing bars", "wing bar"),
        ("gray bodies", "grey body"),
        ("glass", "glass"),
        ("iris", "iris"),
        ("gas", "gas"),
        ("Schnäbel", "schnäbel"),
        ("??", "??"),
        ("", ""),
    ],
)
def test_names_are_alike_whatever_their_spelling(name, normal):
    assert normal_name(name) == normal
    assert normal_name(normal) == normal


def test_phrases_keep_their_words():
    assert normal_phrase("  A  red\nBill. ") == "a red bill"


@pytest.mark.parametrize(
    "phrase", ["no crest", "a head without a crest", "a crestless head", "lacks a crest", "Not red"]
)
def test_absence_is_seen(phrase):
    assert is_negative(phrase)


@pytest.mark.parametrize(
    "phrase", ["a crest", "a notched tail", "a knot", "noble bearing", "a nose", "less red"]
)
def test_presence_is_not_taken_for_absence(phrase):
    assert not is_negative(phrase)


def test_average_linkage_by_hand():
    """0 and 1 merge at .9; 2 is at .8 and .4 from them, .6 on average, so it joins only below that."""
    similarity = torch.tensor([[1.0, 0.9, 0.8], [0.9, 1.0, 0.4], [0.8, 0.4, 1.0]])
    assert cluster(similarity, threshold=0.61) == [0, 0, 1]
    assert cluster(similarity, threshold=0.59) == [0, 0, 0]
    assert cluster(similarity, threshold=0.95) == [0, 1, 2]


def test_what_must_stay_apart_stays_apart_through_others():
    similarity = torch.ones(4, 4)
    found = cluster(similarity, threshold=0.5, apart={(0, 3)})
    assert found[0] != found[3]
    assert len(set(found)) == 2


def test_clusters_equal_a_plain_average_linkage():
    for seed in range(5):
        rows = torch.nn.functional.normalize(
            torch.randn(14, 3, generator=torch.Generator().manual_seed(seed)), dim=1
        )
        similarity = rows @ rows.T
        groups = [[n] for n in range(14)]
        while True:
            pairs = [
                (float(similarity[a][:, b].mean()), i, j)
                for i, a in enumerate(groups)
                for j, b in enumerate(groups)
                if i < j
            ]
            best, i, j = max(pairs, default=(-2.0, 0, 0))
            if best < 0.5:
                break
            groups[i] += groups.pop(j)
        found = cluster(similarity, threshold=0.5)
        assert {frozenset(group) for group in groups} == {
            frozenset(n for n in range(14) if found[n] == label) for label in set(found)
        }


@pytest.mark.parametrize("size", [0, 1])
def test_nothing_to_merge(size):
    assert cluster(torch.ones(size, size), threshold=0.5) == list(range(size))


def test_similarities_must_be_square():
    with pytest.raises(InputError):
        cluster(torch.ones(2, 3), threshold=0.5)


def test_centring_takes_off_what_all_share():
    """Raw cosines near 1 for everything; after centring only the synonyms are alike."""
    rows = torch.tensor([[10.0, 1.0, 0.0], [10.0, 1.1, 0.0], [10.0, -1.0, 0.5], [10.0, 0.0, -1.0]])
    raw = torch.nn.functional.normalize(rows, dim=1)
    assert float((raw @ raw.T).min()) > 0.95
    centred = centred_unit(rows)
    assert float(centred[0] @ centred[1]) > 0.99
    assert float((centred @ centred.T)[:2, 2:].max()) < 0.2


RED, CRIMSON, GREEN, HOOKED, FLAT = (
    [5.0, 1.0, 0.0, 0.0, 0.0],
    [5.0, 0.9, 0.1, 0.0, 0.0],
    [5.0, -1.0, 0.0, 0.0, 0.0],
    [5.0, 0.0, 0.0, 1.0, 0.0],
    [5.0, 0.0, 0.0, -1.0, 0.0],
)


def test_values_merge_only_within_their_attribute():
    vectors = torch.tensor([RED, CRIMSON, GREEN, RED])
    assert merge_values(vectors, [0, 0, 0, 1], threshold=0.8) == [0, 0, 1, 2]


def test_contrasted_values_stay_apart_however_close():
    vectors = torch.tensor([RED, CRIMSON, GREEN])
    assert merge_values(vectors, [0, 0, 0], threshold=0.8, apart={(0, 1)}) == [0, 1, 2]


def test_attributes_merge_by_what_their_values_mean():
    vectors = torch.tensor([RED, GREEN, CRIMSON, GREEN, HOOKED, FLAT])
    attribute, weights = [0, 0, 1, 1, 2, 2], [1.0] * 6
    assert merge_attributes(vectors, attribute, weights, threshold=0.7) == [0, 0, 1]
    assert merge_attributes(vectors, attribute, weights, threshold=0.7, apart={(0, 1)}) == [0, 1, 2]


def test_an_attribute_with_one_shared_value_does_not_swallow_another():
    vectors = torch.tensor([RED, GREEN, CRIMSON, HOOKED, FLAT])
    assert merge_attributes(vectors, [0, 0, 1, 1, 1], [1.0] * 5, threshold=0.7) == [0, 1]
    assert merge_attributes(torch.zeros(0, 5), [], [], threshold=0.7) == []


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("Shape of the bill", "bill shape"),
        ("colours of its wing bars", "wing bar colour"),
        ("out of", "out of"),
    ],
)
def test_genitives_are_turned(name, normal):
    assert normal_name(name) == normal
