"""Reads a list of texts of an answer: each once, and only those that are of use."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fieldmark.prompts.votes import plain_form


@dataclass(frozen=True, kw_only=True)
class TextsRead:
    """What a list said.

    Attributes:
        texts: The texts that are of use, in the answer's order.
        dropped: Number of texts left out, by reason.
    """

    texts: tuple[str, ...]
    dropped: Mapping[str, int]


def distinct_texts(texts: Sequence[str], fault: Callable[[str], str | None]) -> TextsRead:
    """Keep each usable text once; without regard to case, spaces and Unicode form.

    Args:
        texts: The texts of the answer.
        fault: Says why a text is of no use; None where it is.
    """
    kept: dict[str, str] = {}
    dropped: Counter[str] = Counter()
    for text in texts:
        reason = fault(text) or ("repeated" if plain_form(text) in kept else None)
        if reason is None:
            kept[plain_form(text)] = text
        else:
            dropped[reason] += 1
    return TextsRead(texts=tuple(kept.values()), dropped=dict(dropped))
