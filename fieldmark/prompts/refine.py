"""The question for edits that make a definition agree with its owner, and its answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from fieldmark.prompts.answer_fields import AnswerModel, at_most, sent_bound, tidy_text
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.scope import answer_rows, clause_rows, named
from fieldmark.records.annotation import Call, Finding
from fieldmark.records.concepts import Clause, LabelValue
from fieldmark.records.questions import Question

PROMPT_ID = "refine.v1"
MAX_EDITS = 6

_Text = Annotated[str, AfterValidator(tidy_text(300)), sent_bound(300)]


@dataclass(frozen=True, kw_only=True)
class RefineExample:
    """A labelled image in words.

    Attributes:
        seen: What the annotator sees in it.
        owner: The owner's label.
        reason: The owner's words, where there are any.
        call: What the annotator made of it.
        findings: Clause id → what was found of it.
    """

    seen: str
    owner: LabelValue
    reason: str = ""
    call: Call
    findings: Mapping[str, Finding] = field(default_factory=dict[str, Finding])


class ProposedEdit(AnswerModel):
    """One change of the definition."""

    kind: Annotated[Literal["add", "reword", "drop"], Field(description="add, reword or drop.")]
    clause: Annotated[
        str, AfterValidator(tidy_text(60)), sent_bound(60), Field(description="Id of the clause, or empty.")
    ]
    role: Annotated[
        Literal["necessary", "positive", "negative", ""], Field(description="Role of the clause, or empty.")
    ]
    text: Annotated[_Text, Field(description="The clause, or empty.")]
    why: Annotated[_Text, Field(description="Which examples it mends.")]


class Edits(AnswerModel):
    """Candidate edits, the most promising first; each stands for itself."""

    edits: Annotated[
        list[ProposedEdit],
        BeforeValidator(at_most(MAX_EDITS)),
        Field(max_length=MAX_EDITS, description="None to six edits."),
    ]


def ask_refine(
    concept: str,
    *,
    purpose: str,
    clauses: Sequence[Clause],
    answers: Sequence[tuple[str, str]],
    examples: Sequence[RefineExample],
) -> Question[Edits]:
    """Ask for edits that make the definition agree with its owner.

    Raises:
        InputError: The concept has no name.
    """
    rows = [
        {
            "seen": example.seen,
            "owner": example.owner,
            "reason": example.reason,
            "call": example.call,
            "findings": dict(example.findings),
        }
        for example in examples
    ]
    return question_from(
        PROMPT_ID,
        Edits,
        max_tokens=2500,
        about=(concept,),
        concept=named(concept),
        purpose=purpose,
        clauses=clause_rows(clauses),
        answers=answer_rows(answers),
        examples=rows,
    )
