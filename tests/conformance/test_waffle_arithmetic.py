"""WaffleCLIP: the shape of random descriptors by hand, the texts of the authors, DCLIP's mean of cosines."""

import re

import numpy as np
import pytest
import torch

from fieldmark.evals.methods.waffle import (
    PLAIN_CHARACTERS,
    PLAIN_WORDS,
    SEEDS,
    waffle_descriptors,
    waffle_prompts,
    waffle_scores,
)

NAMES = ["great_grey owl", "wren", "barn owl"]
"""Words per name 3, 1, 2; letters per word 4, 4, 3.5; spaces 2, 0, 1; longest words 5, 4, 4."""


def test_random_descriptors_are_shaped_like_the_names():
    """2 words of at most round((4 + 4 + 3.5) / 3) = 4 letters; 2 groups of (5 + 2 - 1) / 2 = 3 characters."""
    found = waffle_descriptors(NAMES, seed=3)
    assert len(found) == 30
    cut = {word[:4] for word in PLAIN_WORDS}
    for words, characters in zip(found[::2], found[1::2], strict=True):
        assert len(words.split(" ")) == 2
        assert set(words.split(" ")) <= cut
        assert [len(group) for group in characters.split(", ")] == [3, 3]
        assert set(characters) <= set(PLAIN_CHARACTERS + ", ")


@pytest.mark.parametrize(
    ("names", "groups", "size"),
    [
        (["abc", "abcd"], 1, 5),  # longest word 3.5 -> 4; 1 divides 4, and one is added all the same
        (["ab cd"], 2, 2),  # 2 mod 2 = 0: (2 + 2) / 2
        (["abcde fg"], 2, 3),  # 5 mod 2 = 1: (5 + 2 - 1) / 2
        (["a b c d", "e f g h"], 4, 1),  # 1 mod 4 = 1: (1 + 4 - 1) / 4
        (["a b", "c"], 1, 2),  # 0.5 spaces round to 0, as halves round to even
    ],
)
def test_groups_of_characters_by_hand(names, groups, size):
    for item in waffle_descriptors(names, seed=0)[1::2]:
        assert [len(group) for group in item.split(", ")] == [size] * groups


@pytest.mark.parametrize(
    ("names", "words", "letters"),
    [
        (["owl a", "owl", "owl"], 1, 3),  # words 4/3; letters (2 + 3 + 3) / 3
        (
            ["owl a", "owl a", "owl"],
            2,
            2,
        ),  # words 5/3; letters 7/3: a mean of the names' means, not of all words
        (["thingamajigs"], 1, 12),  # longer than any word: none is cut
        (["a b", "c"], 2, 1),  # 1.5 words round to 2
    ],
)
def test_words_by_hand(names, words, letters):
    cut = {word[:letters] for word in PLAIN_WORDS}
    for item in waffle_descriptors(names, seed=0)[::2]:
        assert len(item.split(" ")) == words
        assert set(item.split(" ")) <= cut


def test_every_class_gets_the_same_thirty_descriptors_in_the_authors_words():
    prompts = waffle_prompts(NAMES, seed=0)
    shared = waffle_descriptors(NAMES, seed=0)
    for name, own in zip(["great grey owl", "wren", "barn owl"], prompts, strict=True):
        assert len(own) == 30
        for item, text in zip(shared, own, strict=True):
            if item.startswith(("a", "used")):
                assert text == f"A photo of a {name}, which is {item}."
            elif item.startswith(("has", "often", "typically", "may", "can")):
                assert text == f"A photo of a {name}, which {item}."
            else:
                assert text == f"A photo of a {name}, which has {item}."


def test_concept_comes_before_the_name():
    plain = waffle_prompts(["pizza"], seed=1)[0]
    told = waffle_prompts(["pizza"], seed=1, concept="food")[0]
    assert told == [text.replace("a pizza", "a food: a pizza", 1) for text in plain]
    assert told[0].startswith("A photo of a food: a pizza, which ")


def test_seeds_give_other_texts_and_the_same_seed_the_same():
    drawn = [tuple(waffle_descriptors(NAMES, seed=seed)) for seed in SEEDS]
    assert len(set(drawn)) == 7
    assert drawn == [tuple(waffle_descriptors(NAMES, seed=seed)) for seed in SEEDS]


def test_mix_draws_thirty_of_twenty_random_and_twenty_real():
    real = {name: [f"{letter} mark {name}" for letter in "xyz"] for name in NAMES}
    prompts = waffle_prompts(NAMES, seed=2, descriptors=real)
    shared = waffle_descriptors(NAMES, seed=2, pairs=10)
    shares = []
    for name, own in zip(NAMES, prompts, strict=True):
        assert len(own) == 30
        told = [re.sub(r"^A photo of a .*?, which (has |is )?|\.$", "", text) for text in own]
        mine = [item for item in told if item in real[name]]
        random_ones = [item for item in told if item not in mine]
        clauses = {re.sub(r"^(has |is )?", "", item) for item in shared}
        assert {re.sub(r"^(has |is )?", "", item) for item in random_ones} <= clauses
        assert len(random_ones) == len(set(random_ones)) <= 20
        assert 10 <= len(mine) <= 20
        shares.append(len(mine))
    assert max(shares) > 10  # more than one real descriptor for each random pair was there to draw from
    assert prompts[0] != [text.replace("wren", "great grey owl") for text in prompts[1]]


def test_class_without_real_descriptors_mixes_in_its_bare_prompt():
    prompts = waffle_prompts(["wren"], seed=0, descriptors={"wren": []})
    assert "A photo of a wren, which has ." in prompts[0]


def test_scores_are_means_of_cosines(encode):
    images = torch.nn.functional.normalize(
        torch.randn(4, 16, generator=torch.Generator().manual_seed(1)), dim=1
    )
    found = waffle_scores(images, encode, NAMES, seed=5, concept="bird")
    assert found.dtype == torch.float32
    for c, texts in enumerate(waffle_prompts(NAMES, seed=5, concept="bird")):
        for n, image in enumerate(images.numpy().astype(np.float64)):
            rows = [encode([text])[0].numpy().astype(np.float64) for text in texts]
            expected = sum(float(image @ row) / float(np.sqrt(row @ row)) for row in rows) / 30
            assert float(found[n, c]) == pytest.approx(expected, abs=1e-5)
