"""Tokenizes texts, and shortens by rule those that are longer than the model reads."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

_HALVES = re.compile("[\ud800-\udfff]")
_LOOSE_ENDS = " ,;:-–—/(&"


@dataclass(frozen=True)
class Tokenized:
    """A text as the model reads it.

    Attributes:
        tokens: int64 `[context_length]`.
        shortened_to: What is left of a text that was too long; `None` for one that fits.
    """

    tokens: torch.Tensor
    shortened_to: str | None


def mended(text: str) -> str:
    """The text with halves of surrogate pairs, which no tokenizer reads, as U+FFFD."""
    return text if text.isascii() or not _HALVES.search(text) else text.encode("utf-8", "replace").decode()


class ClipTokenizer:
    """A model's tokenizer, which counts before it cuts.

    Attributes:
        context_length: Tokens of a text, its start and end included.
    """

    def __init__(self, tokenizer: Any, *, context_length: int) -> None:
        """Wrap one of open_clip's tokenizers."""
        self.context_length = context_length
        self._tokenizer = tokenizer
        self._plain = hasattr(tokenizer, "encode")
        self._count = _counter(tokenizer)

    def count(self, text: str) -> int:
        """Tokens of a text, its start and end included, however long it is."""
        return self._count(text)

    def read(self, text: str) -> Tokenized:
        """Tokenize one text; one that is too long is first shortened by the rule of `shorten`."""
        if self._plain:
            # One pass counts and tokenizes; the row is what the tokenizer itself makes of a text that fits.
            ids = self._tokenizer.encode(text)
            if len(ids) + 2 <= self.context_length:
                row = torch.zeros(self.context_length, dtype=torch.int64)
                row[: len(ids) + 2] = torch.tensor(
                    [self._tokenizer.sot_token_id, *ids, self._tokenizer.eot_token_id]
                )
                return Tokenized(tokens=row, shortened_to=None)
        fits = self.count(text) <= self.context_length
        kept = text if fits else self.shorten(text)
        row = self._tokenizer([kept], context_length=self.context_length)[0]
        return Tokenized(tokens=row, shortened_to=None if fits else kept)

    def shorten(self, text: str) -> str:
        """Keep the most whole words from the start that fit, without loose punctuation at the end.

        Where not even the first word fits (or the language writes no spaces), the most characters.
        """
        words = text.split()
        kept = _longest(len(words), lambda n: self.count(" ".join(words[:n])) <= self.context_length)
        if kept:
            return " ".join(words[:kept]).rstrip(_LOOSE_ENDS)
        first = words[0] if words else ""
        return first[: _longest(len(first), lambda n: self.count(first[:n]) <= self.context_length)]


def _longest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest n of 0..most for which `fits(n)` holds, where it holds for all smaller ones too."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _counter(tokenizer: Any) -> Callable[[str], int]:
    """How to count a text's tokens with one of open_clip's tokenizers, none of which tells it themselves."""
    if hasattr(tokenizer, "encode"):
        return lambda text: len(tokenizer.encode(text)) + 2
    inner = tokenizer.tokenizer
    if getattr(tokenizer, "tokenizer_mode", "") == "clips":
        # Start, end and a class token at the very end.
        return lambda text: len(inner(_clean(tokenizer, text), add_special_tokens=False).input_ids) + 3
    return lambda text: len(inner(_clean(tokenizer, text)).input_ids)


def _clean(tokenizer: Any, text: str) -> str:
    if hasattr(tokenizer, "clean_fn"):
        return tokenizer.clean_fn(text)
    from open_clip.tokenizer import basic_clean, canonicalize_text

    return canonicalize_text(basic_clean(text))
