"""The questions of a debate about one image, in one chat: what each side says, and who is right.

Source: VHD11K (2024): two sides and a judge in one chat, over two rounds. Theirs always has both
rounds and asks the judge last; here the judge is asked after each, and may need no second one.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field

from fieldmark.prompts.answer_fields import AnswerModel, Confidence, Prose
from fieldmark.prompts.concept_fields import definition_data
from fieldmark.prompts.loader import as_data, question_from
from fieldmark.records.concepts import Definition
from fieldmark.records.questions import ChatMessage, ImagePart, Question

ARGUE, ARGUE_AGAIN, SETTLE = "argue.v2", "argue_again.v1", "settle.v2"
T = TypeVar("T", bound=BaseModel)
Side = Literal["in", "out"]
Chat = tuple[ChatMessage, ...]
"""A debate so far: its questions, each with what was answered."""


def _said(text: str) -> str:
    if not text:
        raise ValueError("the argument is empty")
    return text


class Argument(AnswerModel):
    """What speaks for one side."""

    argument: Annotated[Prose, AfterValidator(_said), Field(description="Two or three sentences.")]
    concedes: Annotated[bool, Field(description="Whether nothing that can be seen speaks for this side.")]


class Settlement(AnswerModel):
    """Which side is right; the reason comes first, so that it is thought of first."""

    rationale: Annotated[Prose, Field(description="What decides it, in one or two sentences.")]
    side: Literal["in", "out", "cannot_tell"]
    confidence: Confidence


def ask_argue(
    image: ImagePart,
    definition: Definition,
    *,
    concept: str,
    purpose: str,
    side: Side,
    examples: Sequence[tuple[Side, ImagePart]] = (),
) -> Question[Argument]:
    """Open a debate: ask for what speaks for an image being in, or out.

    Args:
        image: The image; it comes last.
        definition: The clauses; the question holds the active ones.
        concept: The concept's name.
        purpose: What it is for, in the owner's words; may be empty.
        side: The side to argue.
        examples: Labels of the owner, each with an image.
    """
    return question_from(
        ARGUE,
        Argument,
        max_tokens=400,
        images=(*(part for _, part in examples), image),
        concept=concept,
        purpose=purpose,
        clauses=definition_data(definition),
        examples=[label for label, _ in examples],
        side=side,
    )


def ask_argue_again(chat: Chat, *, side: Side) -> Question[Argument]:
    """Go on with a debate: ask for what speaks for a side, and against what was said.

    Args:
        chat: The debate so far.
        side: The side to argue.
    """
    return question_from(ARGUE_AGAIN, Argument, max_tokens=400, before=chat, side=side)


def ask_settle(chat: Chat, *, turn: int) -> Question[Settlement]:
    """Ask who is right.

    Args:
        chat: The debate so far.
        turn: The number of this round.
    """
    return question_from(SETTLE, Settlement, max_tokens=400, before=chat, round=str(turn))


def answered(question: Question[T], answer: T) -> Chat:
    """The chat after an answer, from which its next question goes on."""
    said = as_data(answer.model_dump(mode="json"))
    return (*question.messages, ChatMessage(role="assistant", content=said))
