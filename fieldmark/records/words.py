"""Other words for the questions of an annotator or of the resolve loop, and how they were found."""

import hashlib
import json
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from fieldmark.records._base import Record


class TriedWords(Record):
    """One rewording that a search tried.

    Attributes:
        parent: Number of the words that it is an edit of: 0 are the fixed ones, then those that were kept.
        part: What was reworded: the id of a prompt, or a clause as its owner wrote it.
        text: The new text; empty where it cannot be used, or was there before.
        outcome: What became of it: "kept" in the pool, "worse" or "no better" on its minibatch, "unchanged",
            or why the answer could not be used.
        right: Share of its minibatch that it gets right.
        before: The same of its parent.
        why: What the model said for it.
    """

    parent: int
    part: str
    text: str
    outcome: str
    right: float | None = None
    before: float | None = None
    why: str = ""


class WordsSearch(Record):
    """How words were found.

    Attributes:
        subject: The concept, or the data.
        model: What was asked, where it has a name.
        calls: Questions that the search took, those from the cache among them.
        budget: The most that it might take.
        seed: What decided its draws.
        labels: Labelled images that reflection and choice went by.
        held_out: Other labelled images, which decided in the end.
        right: Share of the held-out images that the fixed words and the found ones get right; None where no
            words did better than the fixed ones before.
        tried: Everything that was tried, in order.
        failed: Answers that could not be used, by reason.
    """

    subject: str
    model: str = ""
    calls: int
    budget: int
    seed: int
    labels: int
    held_out: int
    right: tuple[float, float] | None = None
    tried: tuple[TriedWords, ...] = ()
    failed: dict[str, int] = Field(default_factory=dict)


class Words(Record):
    """Words in the place of the shipped ones; without any, the shipped words stay."""

    format: Literal["fieldmark.words/1"] = "fieldmark.words/1"
    instructions: dict[str, str] = Field(default_factory=dict)
    """Prompt id → the rules that stand between the data of its question and the form of the answer."""
    clauses: dict[str, str] = Field(default_factory=dict)
    """A clause as its owner wrote it → as the annotator reads it."""
    found: WordsSearch | None = None

    @property
    def key(self) -> str:
        """Names the words by what they say, sixteen hex digits; empty where they change nothing."""
        said: Mapping[str, dict[str, str]] = {"instructions": self.instructions, "clauses": self.clauses}
        if not any(said.values()):
            return ""
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode("ascii")).hexdigest()[:16]
