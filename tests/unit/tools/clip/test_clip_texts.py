"""Tokens: counted before they are cut, shortened at a word, the same as the library's where they fit."""

import open_clip
import pytest
import torch

from fieldmark.tools.clip.texts import ClipTokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return open_clip.get_tokenizer("ViT-B-32")


def test_a_text_that_fits_is_tokenized_as_by_the_library(tokenizer):
    tokens = ClipTokenizer(tokenizer, context_length=77)
    for text in ("", "a red bird", "Ünï — 🦜 {x} it's", "a &amp; b", "  spaced   out "):
        read = tokens.read(text)
        assert read.shortened_to is None
        assert torch.equal(read.tokens, tokenizer([text])[0])
        assert tokens.count(text) == int(torch.count_nonzero(read.tokens))


def test_exactly_as_many_tokens_as_fit_are_not_shortened(tokenizer):
    tokens = ClipTokenizer(tokenizer, context_length=8)
    assert tokens.read("one two three four five six").shortened_to is None
    assert tokens.read("one two three four five six seven").shortened_to == "one two three four five six"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a red bird, with a long tail", "a red bird, with a"),
        ("one two three four five, six seven", "one two three four five"),
        ("one two three four five — six seven", "one two three four five"),
        ("one  two\nthree four five six seven", "one two three four five six"),
    ],
)
def test_whole_words_are_kept_without_loose_punctuation(tokenizer, text, kept):
    tokens = ClipTokenizer(tokenizer, context_length=8)
    assert tokens.read(text).shortened_to == kept
    assert tokens.count(kept) <= 8


def test_a_single_endless_word_is_cut_by_characters(tokenizer):
    tokens = ClipTokenizer(tokenizer, context_length=8)
    read = tokens.read("x1y2z3" * 50)
    assert read.shortened_to and read.shortened_to == ("x1y2z3" * 50)[: len(read.shortened_to)]
    assert tokens.count(read.shortened_to) <= 8
    assert tokens.read("鳥" * 99).shortened_to


class HuggingFaceLike:
    """What open_clip's HFTokenizer looks like: a callable around a tokenizer that can count."""

    tokenizer_mode = ""

    class Inner:
        def __call__(self, text, **options):
            ids = list(range(5, 5 + len(text.split())))
            whole = ids if options.get("add_special_tokens") is False else [1, *ids, 2]
            return type("Ids", (), {"input_ids": whole})()

    tokenizer = Inner()

    def clean_fn(self, text):
        return text.strip()

    def __call__(self, texts, context_length):
        rows = torch.zeros(len(texts), context_length, dtype=torch.int64)
        for row, text in zip(rows, texts, strict=True):
            ids = self.tokenizer(text).input_ids[:context_length]
            row[: len(ids)] = torch.tensor(ids)
        return rows


@pytest.mark.parametrize(("mode", "kept"), [("", "one two three four"), ("clips", "one two three")])
def test_tokenizers_of_the_hub_are_counted_before_they_cut(mode, kept):
    tokenizer = HuggingFaceLike()
    tokenizer.tokenizer_mode = mode
    tokens = ClipTokenizer(tokenizer, context_length=6)
    assert tokens.read("one two three").shortened_to is None
    assert tokens.read("one two three four five").shortened_to == kept
