"""Small records that the graphs pass between their nodes."""

from typing import Literal

from pydantic import Field

from fieldmark.records import ContextFactor, Family, MarkEdit, Prompt, Record, Vote

QuestionKind = Literal[
    "describe", "pair", "group", "again", "tabulate", "reflect", "synonyms", "domain_words",
    "portray", "task_questions", "subclasses", "contexts", "family",
]  # fmt: skip
FailureKind = Literal["question", "unanswered", "limit", "endpoint"]
"""Why a question brought nothing: its answer was no good; the endpoint failed it, as it might not another
time; a limit or a dead endpoint kept it back."""


class QuestionSpec(Record):
    """A question that is planned: enough to ask it, and to know it again."""

    kind: QuestionKind
    classes: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    """The attributes that the question names: to fill in (tabulate), or tried in vain (again)."""
    columns: str = ""
    """Hash of the table's columns when it was planned: the values seen so far are named along."""
    shown: str = ""
    """Hash of the confusions that the question shows (reflect)."""
    text: str = ""
    """The question to answer about the class (portray), or what the task is (task_questions)."""
    sample: int = 0
    need: float = 0.0
    """How many open images the answer could help (expected number, for ordering)."""

    @property
    def key(self) -> tuple[str, tuple[str, ...], tuple[str, ...], str, int]:
        """What makes two specs the same question."""
        return (self.kind, self.classes, self.attributes, self.text, self.sample)


class Columns(Record):
    """The table's columns: each attribute with the values seen so far, the most voted first."""

    values: dict[str, tuple[str, ...]]


class Note(Record):
    """What came of one question: prompts, votes, words and so on, or why there is nothing."""

    spec: QuestionSpec
    prompts: tuple[Prompt, ...] = ()
    votes: tuple[Vote, ...] = ()
    edits: tuple[MarkEdit, ...] = ()
    dropped: dict[str, int] = Field(default_factory=dict)
    """Statements that could not be used, by reason; statements of votes are not counted here."""
    words: tuple[str, ...] = ()
    """Other words for a class, words for what the images are, sentences about a class, questions for the
    task, or kinds of a class: what the question was for."""
    contexts: tuple[ContextFactor, ...] = ()
    families: tuple[Family, ...] = ()
    """Every class of the question in exactly one."""
    failure: FailureKind | None = None
    reason: str = ""
    cached: bool = False


class Notebook(Record):
    """All notes so far, in the order of their rounds; kept in the array store, never in a checkpoint."""

    notes: tuple[Note, ...] = ()

    @property
    def votes(self) -> tuple[Vote, ...]:
        """Every vote of every note."""
        return tuple(vote for note in self.notes for vote in note.votes)

    @property
    def complaint(self) -> str:
        """Why the first question failed, where questions were asked and none was answered; else empty."""
        answered = any(note.failure is None for note in self.notes)
        return "" if answered or not self.notes else self.notes[0].reason

    def with_notes(self, more: tuple[Note, ...]) -> "Notebook":
        """This notebook with `more` at its end."""
        return Notebook(notes=self.notes + more)


LookFailure = Literal["refused", "unanswered", "stranger", "limit", "endpoint"]
"""Why a look decided nothing: the model refused; it gave no usable answer, or the file could not be shown; it
named a class that was no candidate; a limit or a dead endpoint kept it back."""


class Look(Record):
    """What the vision-language model made of one image that was left open."""

    image: str
    """Content hash."""
    label: str | None = None
    """The candidate it chose; None where it chose none of them, or did not answer."""
    confidence: float | None = None
    rationale: str = ""
    failure: LookFailure | None = None


class Looks(Record):
    """All looks so far, in the order of the images; kept in the array store, never in a checkpoint."""

    looks: tuple[Look, ...] = ()


class RoundSummary(Record):
    """One pass of triage, for progress and the report."""

    round: int
    questions: int
    resolved: int
    open: int
    rejected: int
    candidates: int
    """Candidates left over all images."""
    attributes: int = 0
