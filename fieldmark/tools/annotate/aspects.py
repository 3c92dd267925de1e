"""Has aspects written for classes by a language model, and puts them as clauses that an annotator judges."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fieldmark.errors import QuestionFailed
from fieldmark.prompts.aspects import WrittenAspects, ask_aspects, aspects_of
from fieldmark.records import Clause, Definition, Question
from fieldmark.tools.annotate.looks import WayOfLooking
from fieldmark.tools.llm.chat import LanguageModel

LOOKING = WayOfLooking(log_probs=True)
"""How images are looked at for aspects: the probability of one is that of the word "yes" against "no" where
the endpoint tells log-probabilities, else the confidence that is stated."""


@dataclass(frozen=True)
class WrittenParts:
    """Aspects that were written.

    Attributes:
        parts: The classes of each question, and statement → those that it is said to hold for.
        dropped: Statements that could not be used, by reason; questions without an answer as "failed".
    """

    parts: tuple[tuple[Sequence[str], Mapping[str, Sequence[str]]], ...]
    dropped: dict[str, int]


def aspect_questions(
    sets: Sequence[Sequence[str]], *, noun: str, most: int
) -> list[tuple[Question[WrittenAspects], int]]:
    """A question for each set of classes, and the aspects that it may bring; `most` in all."""
    ends = [most * place // len(sets) for place in range(len(sets) + 1)]
    shares = [end - start for start, end in pairwise(ends)]
    return [
        (ask_aspects(names, noun=noun, most=share), share)
        for names, share in zip(sets, shares, strict=True)
        if share and len(names) > 1
    ]


async def write_aspects(
    llm: LanguageModel, sets: Sequence[Sequence[str]], *, noun: str, most: int
) -> WrittenParts:
    """Ask for aspects of each set of classes.

    Raises:
        EndpointError: No question can be answered.
        LimitReached: Before a call that would pass a limit.
    """
    dropped: Counter[str] = Counter()
    parts: list[tuple[Sequence[str], Mapping[str, Sequence[str]]]] = []
    for question, share in aspect_questions(sets, noun=noun, most=most):
        try:
            answer = await llm.ask(question)
        except QuestionFailed:
            dropped["failed"] += 1
            continue
        read = aspects_of(answer.value, question.about, most=share)
        dropped.update(read.dropped)
        parts.append((question.about, read.holds))
    return WrittenParts(tuple(parts), dict(dropped))


def as_clauses(texts: Sequence[str]) -> Definition:
    """Aspects as clauses that an annotator can judge, each by itself; the call of a verdict says nothing."""
    return Definition(
        clauses=tuple(Clause(id=f"a{place}", role="positive", text=text) for place, text in enumerate(texts))
    )
