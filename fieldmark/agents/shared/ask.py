"""Asks planned questions and notes what their answers state."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from fieldmark.agents.shared.notes import FailureKind, Note
from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import EndpointBusy, EndpointError, LimitReached, QuestionFailed
from fieldmark.prompts.question_kind import PlannedQuestion
from fieldmark.prompts.registry import kind_of
from fieldmark.records import QuestionSpec
from fieldmark.tools.annotate.concurrency import map_concurrently
from fieldmark.tools.llm.chat import LanguageModel, concurrency_of
from fieldmark.tools.runs.events import Progress, QuestionAnswered, StepFailed


class HasNoun(Protocol):
    """Options that name the generic word for all classes."""

    @property
    def noun(self) -> str:
        """The generic word."""
        ...


class AskingContext(Protocol):
    """What asking needs of a run's context, whichever graph it belongs to."""

    endpoint_down: str
    endpoint_busy: str

    @property
    def llm(self) -> LanguageModel | None:
        """The language model; None where nothing may be asked."""
        ...

    @property
    def slots(self) -> asyncio.Semaphore:
        """Lets as many questions pass at a time as the model takes."""
        ...

    @property
    def arrays(self) -> ArrayStore:
        """Where the table's columns are kept."""
        ...

    @property
    def progress(self) -> Progress:
        """Shows progress."""
        ...

    @property
    def options(self) -> HasNoun:
        """The choices of the run."""
        ...


def planned_question(spec: QuestionSpec, context: AskingContext) -> PlannedQuestion:
    """A spec with what its question needs of the run: the noun, and the record that it quotes."""
    material = context.arrays.get_json(spec.material) if spec.material else None
    return PlannedQuestion(spec=spec, noun=context.options.noun, material=material)


async def ask_all(specs: Sequence[QuestionSpec], context: AskingContext) -> list[Note]:
    """Ask several planned questions, in any order; the notes come back in that of the questions.

    What is no failure of a question, a full disk say, ends the asking: no other is asked, and those under way
    are finished first, as they are paid for.
    """
    return await map_concurrently(
        specs, lambda spec: ask(spec, context), concurrency=concurrency_of(context.llm)
    )


async def ask(spec: QuestionSpec, context: AskingContext) -> Note:
    """Ask one planned question.

    A question that fails is a counted outcome, never an exception: one failing sibling would otherwise
    cancel the others of its fan-out. Once the endpoint itself is gone the rest fails at once, so that
    a thousand questions do not each wait for a dead server.
    """
    async with context.slots:
        return await _ask(spec, context)


async def _ask(spec: QuestionSpec, context: AskingContext) -> Note:
    if context.llm is None:
        return _failed(spec, "endpoint", "no language model is configured", context)
    if context.endpoint_down:
        return _failed(spec, "endpoint", context.endpoint_down, context)
    kind = kind_of(spec.kind)
    planned = planned_question(spec, context)
    question = kind.ask(planned)
    try:
        answer = await context.llm.ask(question)
    except EndpointBusy as error:
        context.endpoint_busy = error.message
        return _failed(spec, "busy", error.message, context)
    except LimitReached as error:
        return _failed(spec, "limit", error.message, context)
    except EndpointError as error:
        context.endpoint_down = str(error)
        return _failed(spec, "endpoint", str(error), context)
    except QuestionFailed as error:
        failure: FailureKind = "unanswered" if error.retryable else "question"
        return _failed(spec, failure, f"{error.code}: {error.message}", context, code=error.code)
    stated = kind.read(answer.value, planned, answer.key)
    context.progress(QuestionAnswered(kind=spec.kind, classes=spec.classes, cached=answer.cached))
    return Note(
        **dict(stated),
        spec=spec,
        prompt_id=question.prompt_id,
        model=getattr(context.llm, "model", None),
        cached=answer.cached,
    )


def _failed(
    spec: QuestionSpec, failure: FailureKind, reason: str, context: AskingContext, *, code: str | None = None
) -> Note:
    failed = StepFailed(kind=spec.kind, classes=spec.classes, reason=reason, code=code or failure)
    context.progress(failed)
    return Note(spec=spec, failure=failure, reason=reason)
