"""The texts that a concept's images and its near misses are searched by."""

import logging
from dataclasses import dataclass

from fieldmark.errors import QuestionFailed
from fieldmark.prompts.queries import ask_queries
from fieldmark.records import Concept, Definition
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.runs.events import Progress, StepFailed

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Searches:
    """What to search a pool by.

    Attributes:
        positive: Captions of what is in.
        near_miss: Captions of what is nearly in.
        written: Whether the language model wrote them, or nothing was there to write them better.
    """

    positive: tuple[str, ...]
    near_miss: tuple[str, ...]
    written: bool

    @property
    def texts(self) -> list[str]:
        """All of them, each once."""
        return list(dict.fromkeys((*self.positive, *self.near_miss)))


async def searches_for(
    concept: Concept, definition: Definition, llm: LanguageModel | None, progress: Progress
) -> Searches:
    """Have queries written; the clauses and the concept's name must do where nobody can write any.

    Raises:
        EndpointError: The language model cannot be asked.
        LimitReached: A limit was reached.
    """
    clauses = definition.active
    plain = (f"a photo of a {concept.name}", *(c.text for c in clauses if c.role != "negative"))
    exceptions = tuple(c.text for c in clauses if c.role == "negative")
    if llm is None:
        return Searches(plain, exceptions, written=True)
    try:
        answer = await llm.ask(ask_queries(concept.name, purpose=concept.purpose, clauses=clauses))
    except QuestionFailed as error:
        logger.warning("No queries were written (%s); the clauses are searched for.", error.code)
        progress(StepFailed(kind="queries", reason=error.code))
        return Searches(plain, exceptions, written=False)
    return Searches(tuple(answer.value.positive), tuple(answer.value.near_miss), written=True)
