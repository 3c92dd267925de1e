"""What an annotator says of an image, clause by clause, and the boards that owners are shown."""

from typing import Literal

from pydantic import Field

from fieldmark.records._base import Record

Finding = Literal["yes", "no", "abstain", "refused"]
Call = Literal["in", "out", "abstain", "refused"]


class ClauseVerdict(Record):
    """Whether one clause holds for one image, by an annotator."""

    clause: str
    """Id of the clause."""
    finding: Finding
    p: float | None = Field(default=None, ge=0, le=1)
    """Probability that it holds; None where the annotator abstained or refused."""


class Verdict(Record):
    """What an annotator makes of one image. An owner's label never stands here."""

    image: str
    """Content hash."""
    call: Call
    """What the findings of the clauses amount to, by logic; "abstain" and "refused" never stand for "out"."""
    p: float | None = Field(default=None, ge=0, le=1)
    """Probability of "in" as stated: that of the clause on which the call hangs. It decides nothing, and
    only the owner's labels calibrate it. None where there is no call."""
    clauses: tuple[ClauseVerdict, ...] = ()
    seen: str = ""
    """What the annotator sees in the image, in its words; empty where it has none."""
    rationale: str = ""
    annotator: str
    """Identity of who said so."""


class Board(Record):
    """A few images that share one ambiguity."""

    images: tuple[str, ...]
    """Content hashes."""
    ambiguity: str
    """What is unclear about them; hidden from the owner until all are labelled."""
    kind: Literal["borderline", "random"] = "borderline"
