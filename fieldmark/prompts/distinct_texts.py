"""Reads a list of texts of an answer: each once, and only those that are of use."""

from collections import Counter
from collections.abc import Callable, Sequence

from fieldmark.prompts.votes import plain_form
from fieldmark.records.questions import AnswerStatements


def distinct_texts(texts: Sequence[str], fault: Callable[[str], str | None]) -> AnswerStatements:
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
    return AnswerStatements(words=tuple(kept.values()), dropped=dict(dropped))
