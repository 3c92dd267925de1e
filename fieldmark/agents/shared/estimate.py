"""Counts what a run would ask: the questions that are known, and a bound on those that follow."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

from pydantic import Field

from fieldmark.records import Question, Record, SkippedInput
from fieldmark.tools.llm.budget import TokenCount
from fieldmark.tools.llm.given import AskedModel


class FirstLook(Record):
    """The questions that are known before anything is asked or compared, each counted once."""

    questions: int = 0
    cached: int = 0
    to_ask: int = 0
    tokens: int = 0
    """What the questions still to ask may use at most: bytes / 3 and the whole length of each answer."""
    cost: float | None = None
    """What those tokens cost; None where no price is set."""

    def __add__(self, other: Self) -> Self:
        """Both; the cost is known where that of each that asks anything is."""
        costs = [each.cost for each in (self, other) if each.questions]
        known = [cost for cost in costs if cost is not None]
        return type(self)(
            questions=self.questions + other.questions,
            cached=self.cached + other.cached,
            to_ask=self.to_ask + other.to_ask,
            tokens=self.tokens + other.tokens,
            cost=sum(known) if known and len(known) == len(costs) else None,
        )


class CallEstimate(Record):
    """What a run would ask, as a dry run of a command prints it."""

    format: Literal["fieldmark.estimate/1"] = Field(
        default="fieldmark.estimate/1", serialization_alias="schema"
    )
    images: int
    classes: int
    """0 where the task is not about classes."""
    model: str | None
    noun: str | None
    """The generic noun; None where it must be asked first, and then the estimate reckons with "object"."""
    first_look: FirstLook
    follow_up_most: int
    """No more follow-up questions than this are asked, whatever the images show, but for those that `notes`
    leave out; none may be."""
    follow_up_tokens: int = 0
    """What so many of the longest of them may use, about: what they will be about is not known yet."""
    follow_up_cost: float | None = None
    """What those tokens cost; None where no price is set."""
    vlm: str | None = None
    most_vlm_images: int = 0
    """No more images than this are shown to the vision-language model: those that the loop leaves open."""
    vlm_tokens: int = 0
    """What so many may use, about."""
    vlm_cost: float | None = None
    """What those tokens cost; None where no price is set."""
    skipped: tuple[SkippedInput, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know."""
    passed_over: dict[str, int] = Field(default_factory=dict)
    """Files in folders whose suffix is no image's: suffix → number."""


async def counted(questions: Sequence[Question[Any]], llm: AskedModel) -> FirstLook:
    """Count questions, those in the cache apart; asks nothing."""
    fresh = [question for question in questions if not await llm.peek(question)]
    room = total(llm.room(question) for question in fresh)
    return FirstLook(
        questions=len(questions),
        cached=len(questions) - len(fresh),
        to_ask=len(fresh),
        tokens=room.total,
        cost=llm.cost_of(room),
    )


def total(rooms: Iterable[TokenCount]) -> TokenCount:
    """The sum of several."""
    listed = list(rooms)
    return TokenCount(sum(each.prompt for each in listed), sum(each.completion for each in listed))


def times(room: TokenCount, count: int) -> TokenCount:
    """So many of the same."""
    return TokenCount(room.prompt * count, room.completion * count)


def longest(questions: Iterable[Question[Any]], llm: AskedModel) -> TokenCount:
    """The tokens of the longest of several questions."""
    return max(map(llm.room, questions), key=lambda room: room.total)


def longest_first(names: Iterable[str]) -> list[str]:
    """Names by the room that they take in a question, the longest first."""
    return sorted(names, key=lambda name: -len(name.encode("utf-8", "replace")))
