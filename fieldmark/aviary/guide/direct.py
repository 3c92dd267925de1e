"""Asks the scripted guide in the same process: what it answers over HTTP, without a server in between."""

from typing import Any, TypeVar

from pydantic import BaseModel

from fieldmark.aviary.guide.guide import MODEL_NAME, Guide, UnknownQuestionError
from fieldmark.aviary.guide.picture_questions import DeclinedError
from fieldmark.errors import QuestionFailed
from fieldmark.records import Question
from fieldmark.tools.llm.answer_schema import strict_schema
from fieldmark.tools.llm.answer_store import ModelAnswer, answer_key
from fieldmark.tools.llm.answers import read_answer

T = TypeVar("T", bound=BaseModel)


class DirectGuide:
    """A `LanguageModel` that is a guide in the same process, and remembers its answers."""

    def __init__(self, guide: Guide) -> None:
        self.guide = guide
        self._known: dict[str, ModelAnswer[Any]] = {}

    @property
    def identity(self) -> str:
        """Model and guide as one name: what its answers depend on beside the questions."""
        return f"{MODEL_NAME}@{self.guide.identity}"

    async def ask(self, question: Question[T]) -> ModelAnswer[T]:
        """See `LanguageModel`.

        Raises:
            QuestionFailed: The guide declines ("refused"), or does not know the question ("http_400", as
                its server would say).
        """
        key = answer_key(question, identity=self.guide.identity, model=MODEL_NAME)
        known = self._known.get(key)
        if known is not None:
            return known
        schema = strict_schema(question.answer_model)
        try:
            text = self.guide.answer(question.messages, schema, question.sample)
        except DeclinedError as error:
            raise QuestionFailed(error.message, reason="refused") from error
        except UnknownQuestionError as error:
            raise QuestionFailed(error.message, reason="http", status=400) from error
        value, _ = read_answer(text, question.answer_model)
        answer = ModelAnswer(value=value, key=key, cached=False, prompt_tokens=None, completion_tokens=None)
        self._known[key] = ModelAnswer(
            value=value, key=key, cached=True, prompt_tokens=None, completion_tokens=None
        )
        return answer
