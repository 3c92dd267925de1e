"""Turns a planned question into a real one, asks it, and has the answer noted."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel

from fieldmark.agents.shared.notes import Columns, FailureKind, Note, QuestionSpec
from fieldmark.agents.shared.noting import note_of
from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import EndpointError, LimitReached, QuestionFailed
from fieldmark.prompts.contexts import ask_contexts
from fieldmark.prompts.describe import ask_describe
from fieldmark.prompts.differentiate import ask_differentiate
from fieldmark.prompts.differentiate_again import ask_differentiate_again
from fieldmark.prompts.differentiate_group import ask_differentiate_group
from fieldmark.prompts.domain_words import ask_domain_words
from fieldmark.prompts.family import ask_family
from fieldmark.prompts.portray import ask_portray
from fieldmark.prompts.reflect import ConfusedGroup, ask_reflect
from fieldmark.prompts.subclasses import ask_subclasses
from fieldmark.prompts.synonyms import ask_synonyms
from fieldmark.prompts.tabulate import TabulateAttribute, ask_tabulate
from fieldmark.prompts.task_questions import ask_task_questions
from fieldmark.records import Question, Vote
from fieldmark.tools.annotate.concurrency import through
from fieldmark.tools.books.wording import class_text
from fieldmark.tools.llm.chat import LanguageModel, concurrency_of
from fieldmark.tools.runs.events import Report

VALUES_SHOWN = 12
"""The most values per attribute that a tabulate question offers for reuse."""


class HasNoun(Protocol):
    """Options that name the generic word for all classes."""

    @property
    def noun(self) -> str:
        """The generic word."""
        ...


class AskingContext(Protocol):
    """What asking needs of a run's context, whichever graph it belongs to."""

    endpoint_down: str

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
    def report(self) -> Report:
        """Shows progress."""
        ...

    @property
    def options(self) -> HasNoun:
        """The choices of the run."""
        ...


def question_of(spec: QuestionSpec, context: AskingContext) -> Question[BaseModel]:
    """Render the question that a spec stands for."""
    noun = context.options.noun
    question: Question
    match spec.kind:
        case "describe":
            question = ask_describe(spec.classes[0], noun=noun, sample=spec.sample)
        case "pair":
            question = ask_differentiate(spec.classes[0], spec.classes[1], noun=noun, sample=spec.sample)
        case "group":
            question = ask_differentiate_group(spec.classes, noun=noun, sample=spec.sample)
        case "again":
            question = ask_differentiate_again(spec.classes, spec.attributes, noun=noun, sample=spec.sample)
        case "tabulate":
            seen = Columns.model_validate(context.arrays.get_json(spec.columns)).values
            rows = [TabulateAttribute(name, seen.get(name, ())[:VALUES_SHOWN]) for name in spec.attributes]
            question = ask_tabulate(spec.classes[0], rows, noun=noun, sample=spec.sample)
        case "reflect":
            question = ask_reflect(_shown(spec, context), noun=noun)
        case "synonyms":
            question = ask_synonyms(spec.classes[0], noun=noun, sample=spec.sample)
        case "domain_words":
            question = ask_domain_words(spec.classes, noun=noun, sample=spec.sample)
        case "portray":
            question = ask_portray(spec.classes[0], spec.text, noun=noun, sample=spec.sample)
        case "task_questions":
            question = ask_task_questions(spec.classes, noun=noun, task=spec.text, sample=spec.sample)
        case "subclasses":
            question = ask_subclasses(spec.classes[0], noun=noun, sample=spec.sample)
        case "contexts":
            question = ask_contexts(spec.classes, noun=noun, sample=spec.sample)
        case "family":
            question = ask_family(spec.classes, noun=noun, sample=spec.sample)
    return question


async def ask_all(specs: Sequence[QuestionSpec], context: AskingContext) -> list[Note]:
    """Ask several planned questions, in any order; the notes come back in that of the questions.

    What is no failure of a question, a full disk say, ends the asking: no other is asked, and those under way
    are finished first, as they are paid for.
    """
    return await through(specs, lambda spec: ask(spec, context), at_once=concurrency_of(context.llm))


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
    question = question_of(spec, context)
    try:
        answer = await context.llm.ask(question)
    except LimitReached as error:
        return _failed(spec, "limit", error.message, context)
    except EndpointError as error:
        context.endpoint_down = str(error)
        return _failed(spec, "endpoint", str(error), context)
    except QuestionFailed as error:
        kind: FailureKind = "unanswered" if may_pass(error.reason) else "question"
        return _failed(spec, kind, f"{error.reason}: {error.message}", context)
    shown = _shown(spec, context) if spec.shown else None
    note = note_of(answer, spec, shown=shown, model=getattr(context.llm, "model", None))
    context.report("answered", {"kind": spec.kind, "classes": list(spec.classes), "cached": answer.cached})
    return note


def may_pass(reason: str) -> bool:
    """Whether a question failed for want of an answer, which another day may bring: no fault of its own."""
    return reason in ("timeout", "connection", "http_408", "http_409", "http_429") or reason[:6] == "http_5"


def _shown(spec: QuestionSpec, context: AskingContext) -> ConfusedGroup:
    return ConfusedGroup.model_validate(context.arrays.get_json(spec.shown))


def _failed(spec: QuestionSpec, failure: FailureKind, reason: str, context: AskingContext) -> Note:
    context.report("failed", {"kind": spec.kind, "classes": list(spec.classes), "reason": reason})
    return Note(spec=spec, failure=failure, reason=reason)


def captions(votes: tuple[Vote, ...], name: str) -> list[str]:
    """What an answer would caption a photo of the class, one caption an attribute."""
    return [vote.caption or class_text(name) for vote in votes if vote.class_name == name]
