"""Reads the answer to a planned question into the note of it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel

from fieldmark.agents.shared.notes import Note, QuestionSpec
from fieldmark.prompts.contexts import Contexts, contexts_of
from fieldmark.prompts.describe import PROMPT_ID as DESCRIBE
from fieldmark.prompts.describe import Descriptors
from fieldmark.prompts.domain_words import DomainWords
from fieldmark.prompts.family import Families, families_of
from fieldmark.prompts.portray import Portrait
from fieldmark.prompts.reflect import ConfusedGroup, Reflection, edits_of
from fieldmark.prompts.subclasses import Subclasses, subclasses_of
from fieldmark.prompts.synonyms import Synonyms
from fieldmark.prompts.task_questions import TaskQuestions, questions_of
from fieldmark.prompts.votes import TabularAnswer, votes_of
from fieldmark.records import Origin, Prompt, Vote
from fieldmark.tools.books.wording import descriptor_text
from fieldmark.tools.llm.answer_store import Answer


def note_of(
    answer: Answer[Any], spec: QuestionSpec, *, shown: ConfusedGroup | None, model: str | None
) -> Note:
    """Read an answer into a note.

    Args:
        answer: The answer; its value is of the question's own answer model.
        spec: The question.
        shown: The confusions that the question showed (reflect); None where it showed none.
        model: Name of the model that answered, where it has one.
    """
    note = partial(Note, spec=spec, cached=answer.cached)
    value: BaseModel = answer.value
    match value:
        case Descriptors():
            return note(prompts=_prompts(value, spec.classes[0], model))
        case Reflection() if shown is not None:
            proposed = edits_of(value, shown)
            return note(edits=proposed.edits, dropped=_counts(proposed.dropped))
        case Synonyms():
            return note(words=tuple(value.synonyms))
        case DomainWords():
            return note(words=tuple(value.domain_words))
        case Portrait():
            return note(words=tuple(value.sentences))
        case TaskQuestions():
            questions = questions_of(value)
            return note(words=questions.texts, dropped=_counts(questions.dropped))
        case Subclasses():
            kinds = subclasses_of(value, spec.classes[0])
            return note(words=kinds.texts, dropped=_counts(kinds.dropped))
        case Contexts():
            contexts = contexts_of(value)
            return note(contexts=contexts.factors, dropped=_counts(contexts.dropped))
        case Families():
            families = families_of(value, spec.classes)
            return note(families=families.families, dropped=_counts(families.dropped))
        case _:
            return note(votes=_votes(value, spec, answer.key))


def _prompts(value: Descriptors, name: str, model: str | None) -> tuple[Prompt, ...]:
    origin = Origin(kind="descriptor", question=DESCRIBE, model=model)
    return tuple(
        Prompt(class_name=name, text=descriptor_text(name, mark), origin=origin) for mark in value.descriptors
    )


def _votes(value: BaseModel, spec: QuestionSpec, key: str) -> tuple[Vote, ...]:
    read = votes_of(
        _tabular(value),
        classes=spec.classes,
        source=key,
        attributes=spec.attributes if spec.kind == "tabulate" else None,
        tried=spec.attributes if spec.kind == "again" else (),
    )
    return read.votes


def _tabular(value: BaseModel) -> TabularAnswer:
    return value  # pyright: ignore[reportReturnType]  # each kind of question has its own answer model


def _counts(dropped: Mapping[Any, int]) -> dict[str, int]:
    return {str(why): count for why, count in dropped.items() if count}
