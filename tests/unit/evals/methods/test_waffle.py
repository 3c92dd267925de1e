"""WaffleCLIP: what cannot be drawn is refused, names are data, each text is encoded once."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.waffle import (
    PLAIN_CHARACTERS,
    PLAIN_WORDS,
    waffle_descriptors,
    waffle_prompts,
    waffle_scores,
)


@pytest.mark.parametrize(("names", "pairs"), [([], 15), (["a"], 0)])
def test_no_class_and_no_pair_are_refused(names, pairs):
    with pytest.raises(InputError):
        waffle_descriptors(names, seed=0, pairs=pairs)


def test_class_without_real_descriptors_is_named():
    with pytest.raises(InputError, match="wren"):
        waffle_prompts(["owl", "wren"], seed=0, descriptors={"owl": ["big eyes"]})


@pytest.mark.parametrize("name", ["{}", "a {x} b", "", "photo"])
def test_names_are_data(name):
    own, other = waffle_prompts([name, "owl"], seed=0)
    assert all(text.startswith(f"A photo of a {name}, which ") for text in own)
    assert [text.removeprefix("A photo of a owl") for text in other] == [
        text.removeprefix(f"A photo of a {name}") for text in own
    ]


def test_each_text_is_encoded_once():
    asked = []

    def encode(texts):
        asked.extend(texts)
        return torch.randn(len(texts), 4, generator=torch.Generator().manual_seed(0))

    found = waffle_scores(torch.eye(4), encode, ["owl", "wren"], seed=0)
    assert found.shape == (4, 2)
    assert len(asked) == len(set(asked))


def test_words_are_plain_and_occur_once():
    assert len(PLAIN_WORDS) == len(set(PLAIN_WORDS)) > 300
    assert all(
        word.isascii() and word.islower() and word.isalpha() and 3 <= len(word) <= 9 for word in PLAIN_WORDS
    )


def test_characters_hold_no_separator():
    assert len(PLAIN_CHARACTERS) == len(set(PLAIN_CHARACTERS))
    assert not set(PLAIN_CHARACTERS) & set(" ,.")
