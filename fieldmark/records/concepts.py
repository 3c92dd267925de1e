"""A subjective concept as its owner defined it: clauses, decisions, labels and versions.

Plain JSON; nothing in it is ever overwritten.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fieldmark.records._base import Record

ClauseRole = Literal["necessary", "positive", "negative"]
"""All necessary clauses must hold, any of the positive ones suffices, none of the negative ones may."""
ClauseState = Literal["agreed", "open", "dropped"]
LabelValue = Literal["in", "out", "unsure"]
LabelSplit = Literal["blind", "dev"]


class Clause(Record):
    """One condition of a definition."""

    id: str
    """Unique in a concept, for good: a dropped clause keeps it, a reworded one gets a new one."""
    role: ClauseRole
    text: str
    """One sentence about what an image shows."""
    state: ClauseState = "open"
    examples: tuple[str, ...] = ()
    """Content hashes of images that the owner named for it."""


class Definition(Record):
    """A tree of clauses, two levels deep."""

    clauses: tuple[Clause, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "Definition":
        ids = [clause.id for clause in self.clauses]
        if len(set(ids)) < len(ids):
            raise ValueError("two clauses have the same id")
        return self

    @property
    def active(self) -> tuple[Clause, ...]:
        """The clauses that count: all but the dropped ones."""
        return tuple(clause for clause in self.clauses if clause.state != "dropped")

    def in_words(self, words: Mapping[str, str]) -> "Definition":
        """The same clauses as an annotator reads them: those that words are there for in these."""
        if not words:
            return self
        clauses = (each.model_copy(update={"text": words.get(each.text, each.text)}) for each in self.clauses)
        return self.model_copy(update={"clauses": tuple(clauses)})

    def of_role(self, role: ClauseRole) -> tuple[Clause, ...]:
        """The active clauses of one role."""
        return tuple(clause for clause in self.active if clause.role == role)


class Costs(Record):
    """What a mistake costs the owner, in any unit: only their ratio counts."""

    false_positive: float = Field(default=1.0, gt=0)
    false_negative: float = Field(default=1.0, gt=0)


class Label(Record):
    """What the owner said of an image. An annotator's verdict never stands here."""

    image: str
    """Content hash."""
    value: LabelValue
    split: LabelSplit
    reason: str = ""
    primed: bool = False
    """Whether a verdict or the board's ambiguity had been shown before it was given."""
    repeat: bool = False
    """Whether the image had been labelled before and came back unannounced."""
    misread: tuple[str, ...] = ()
    """Ids of the clauses that the annotator misread in it, as the owner says."""
    at: str
    """ISO 8601, UTC."""


class DefinitionEdit(Record):
    """A change of a definition."""

    kind: Literal["add", "reword", "drop", "agree"]
    clause: Clause
    """The clause as it is after the edit."""
    replaces: str | None = None
    """Id of the clause that is reworded (and so dropped)."""
    why: str = ""


class Decision(Record):
    """One thing the owner was asked and answered."""

    kind: Literal["scope", "board", "edit", "rollback", "stop", "answer", "hand", "rename", "threshold"]
    """The last four happen outside of the conversation: an answer put right, clauses edited by hand, another
    name, another threshold of a classifier."""
    question: str
    images: tuple[str, ...] = ()
    """Content hashes of the images that were shown."""
    answer: str
    edit: DefinitionEdit | None = None
    """The edit it made, if any."""
    against: tuple[str, ...] = ()
    """Answers of the owner that the edit would undo, each with its question."""
    at: str


class Version(Record):
    """A definition as it was at one time, with how it scored."""

    number: int = Field(ge=1)
    definition: Definition
    why: str
    """What led to it, in a few words."""
    at: str
    scores: dict[str, float] = Field(default_factory=dict)
    """"dev_f1", "kappa", ...: measured when it was made, by what was known then."""


class Concept(Record):
    """A concept with its whole history."""

    format: Literal["fieldmark.concept/1"] = "fieldmark.concept/1"
    name: str
    purpose: str = ""
    """What it is for and what it means, in the owner's words."""
    costs: Costs = Costs()
    seed: int = 0
    """Decides every draw of images."""
    versions: tuple[Version, ...] = ()
    current: int = 0
    """Number of the version in force; 0 before there is one."""
    decisions: tuple[Decision, ...] = ()
    labels: tuple[Label, ...] = ()
    """In the order given; of several for one image all are kept."""
    blind: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    """Images of the locked test: content hash → weight (inverse of the chance to be drawn)."""
    blind_drawn: bool = False
    """Whether the locked test was drawn: one without images stays without them."""
    blind_looks: tuple[int, ...] = ()
    """Numbers of the versions that were measured on it; each once."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if [version.number for version in self.versions] != list(range(1, len(self.versions) + 1)):
            raise ValueError("versions must be numbered 1, 2, 3, …")
        if not 0 <= self.current <= len(self.versions):
            raise ValueError(f"version {self.current} is in force, and there are {len(self.versions)}")
        if any(not 1 <= look <= len(self.versions) for look in self.blind_looks):
            raise ValueError("a version was measured that is not there")
        return self

    @property
    def definition(self) -> Definition:
        """The definition in force; empty before there is one."""
        return self.versions[self.current - 1].definition if self.current else Definition()
