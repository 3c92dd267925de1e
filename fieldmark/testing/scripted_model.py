"""Answers questions by a script: no network, no cost, and every question is remembered."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fieldmark.cache.keys import content_key
from fieldmark.errors import InputError, QuestionFailed
from fieldmark.records import Question
from fieldmark.tools.llm.chat import ModelAnswer

T = TypeVar("T", bound=BaseModel)

Reply = BaseModel | Mapping[str, Any] | Exception
"""What is answered: a record, its fields, or an error that is raised instead."""
Answering = Callable[[Question[Any]], Reply]


class ScriptedModel:
    """A `LanguageModel` for tests.

    Args:
        answers: One function for all questions. Or a mapping from a prompt's id ("describe.v1") or its name
            ("describe") to a reply for every time, a list of replies that are given in turn, or a function.
        name: What the model is called; a name that begins with "scripted-" is reported as a script's.

    Attributes:
        asked: The questions so far, in order.
    """

    def __init__(
        self,
        answers: Answering | Mapping[str, Reply | Sequence[Reply] | Answering],
        *,
        name: str = "scripted-model",
    ) -> None:
        self.model = name
        self.asked: list[Question[Any]] = []
        self._answers = answers
        self._turns: dict[str, int] = {}

    async def ask(self, question: Question[T]) -> ModelAnswer[T]:
        """Answer one question.

        Raises:
            QuestionFailed: The reply does not fit the question's answer model, as a real model's may not.
            InputError: The script has no reply to this question.
            Exception: The reply is an error.
        """
        self.asked.append(question)
        reply = self._reply(question)
        if isinstance(reply, Exception):
            raise reply
        said = reply.model_dump() if isinstance(reply, BaseModel) else dict(reply)
        try:
            value = question.answer_model.model_validate(said)
        except ValidationError as error:
            raise QuestionFailed(
                f"The scripted reply to {question.prompt_id} does not fit its answer model.",
                reason="off_schema",
            ) from error
        key = content_key([question.prompt_id, question.messages[-1].content, question.sample])
        return ModelAnswer(value=value, key=key, cached=False, prompt_tokens=1, completion_tokens=1)

    def kinds(self) -> list[str]:
        """Ids of the prompts so far, each once, in the order of first use."""
        return list(dict.fromkeys(question.prompt_id for question in self.asked))

    def _reply(self, question: Question[Any]) -> Reply:
        if not isinstance(self._answers, Mapping):
            return self._answers(question)
        name = question.prompt_id
        found = self._answers.get(name, self._answers.get(name.split(".")[0]))
        if found is None:
            raise InputError(
                f"The script has no reply to {name}.", hint=f"It has: {', '.join(self._answers) or 'none'}."
            )
        if isinstance(found, BaseModel | Mapping | Exception):
            return found
        if not isinstance(found, Sequence):
            return found(question)
        turn = self._turns.get(name, 0)
        if turn >= len(found):
            raise InputError(f"The script has only {len(found)} replies to {name}.", hint="Add one.")
        self._turns[name] = turn + 1
        return found[turn]


def data_of(question: Question[Any] | str) -> dict[str, Any]:
    """What a question is about: the JSON between its last lines `<data>` and `</data>`.

    Args:
        question: A question, whose last message is read, or the text of a message.

    Raises:
        InputError: There is no such block.
    """
    text = question if isinstance(question, str) else question.messages[-1].content
    _, opening, rest = text.rpartition("<data>\n")
    block, closing, _ = rest.partition("\n</data>")
    if not opening or not closing:
        raise InputError("The question has no block of data.", hint="Answer it without looking at its data.")
    return json.loads(block)
