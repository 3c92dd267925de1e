"""Reads the log-probabilities of an answer: how likely each word was that might have stood in a field."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

Shares = tuple[Mapping[str, float], ...]
"""For each place of a field in an answer: beginnings of words → probability."""
_TOLD = 0.9
"""What a word must have at least, where the word against it is not among the alternatives."""
_LETTERS = re.compile(r"[a-z_]+")


@dataclass(frozen=True)
class WeighedToken:
    """A token of an answer.

    Attributes:
        text: The token.
        likely: What might have stood in its place, itself among it → log-probability.
    """

    text: str
    likely: Mapping[str, float]


def read_tokens(logprobs: Any) -> tuple[WeighedToken, ...]:
    """The tokens of a choice's `logprobs`; none where it is not of the form of OpenAI's chat completions."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return ()
    found: list[WeighedToken] = []
    for entry in content:
        if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
            return ()
        others = entry.get("top_logprobs")
        rows = [*(others if isinstance(others, list) else []), entry]
        likely = {
            row["token"]: told
            for row in rows
            if isinstance(row, dict)
            and isinstance(row.get("token"), str)
            and (told := _log_probability(row.get("logprob"))) is not None
        }
        found.append(WeighedToken(entry["token"], likely))
    return tuple(found)


def _log_probability(value: Any) -> float | None:
    """A log-probability; None where it is no number, or none that a float holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        told = float(value)
    except OverflowError:
        return None
    return None if math.isnan(told) else told


def word_shares(text: str, tokens: Sequence[WeighedToken], field: str) -> Shares:
    """How likely which words were in a field, at each of its places in the text of an answer.

    The first token that holds a letter of the word is looked at: "no" and "not" are told apart by none. Empty
    where the tokens do not make up the text.

    Args:
        text: The answer's text, JSON.
        tokens: Its tokens.
        field: Name of a field whose value is a word; empty for none.
    """
    if not field or not tokens or "".join(token.text for token in tokens) != text:
        return ()
    ends = list(accumulate(len(token.text) for token in tokens))
    found: list[Mapping[str, float]] = []
    at = 0
    for place in re.finditer(rf"{re.escape(json.dumps(field))}\s*:\s*\"", text):
        while ends[at] <= place.end():
            at += 1
            if at == len(ends):
                return ()
        before = tokens[at].text[: place.end() - ends[at] + len(tokens[at].text)]
        shares: dict[str, float] = {}
        for said, log_p in tokens[at].likely.items():
            word = _LETTERS.match(said.removeprefix(before).lower()) if said.startswith(before) else None
            if word is not None:
                shares[word[0]] = shares.get(word[0], 0.0) + math.exp(min(log_p, 0.0))
        found.append(shares)
    return tuple(found)


def share_of(shares: Mapping[str, float], word: str, *, against: str) -> float | None:
    """Probability of a word against another, by the beginnings of both; None where that is not told.

    Where one of them is not among the alternatives, all that these leave over may be its own: the other one
    is sure of the rest alone, and that must be 0.9 or more.
    """
    own, other = (
        sum(p for said, p in shares.items() if each.startswith(said) or said.startswith(each))
        for each in (word, against)
    )
    if own > 0 and other > 0:
        return own / (own + other)
    left = max(0.0, 1.0 - sum(shares.values()))
    least = max(own, other) / max(own + other + left, 1e-9)
    if least < _TOLD:
        return None
    return least if own > 0 else 1.0 - least
