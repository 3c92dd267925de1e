"""A kind of question: how it is asked, and how its answer is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, JsonValue

from fieldmark.errors import ClassNamesError
from fieldmark.records.questions import AnswerStatements, Question, QuestionSpec

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class PlannedQuestion:
    """A spec with all that its question needs.

    Attributes:
        spec: What is asked.
        noun: The generic word for all classes, e.g. "bird".
        material: The JSON record that `spec.material` names; None where it names none.
    """

    spec: QuestionSpec
    noun: str
    material: JsonValue = None

    @property
    def class_name(self) -> str:
        """The one class of the question.

        Raises:
            ClassNamesError: If the spec has none or several.
        """
        return self._exactly(1)[0]

    @property
    def pair(self) -> tuple[str, str]:
        """The two classes of the question.

        Raises:
            ClassNamesError: If the spec has fewer or more.
        """
        first, second = self._exactly(2)
        return first, second

    def _exactly(self, count: int) -> tuple[str, ...]:
        if len(self.spec.classes) != count:
            raise ClassNamesError(
                f"a {self.spec.kind!r} question is about {count} class(es), not {len(self.spec.classes)}.",
                hint="Plan it with that many classes.",
            )
        return self.spec.classes


@dataclass(frozen=True, kw_only=True)
class QuestionKind(Generic[T]):
    """A kind of question.

    Attributes:
        name: The `kind` of its specs.
        ask: Renders a planned question.
        read: Reads the validated answer to a planned question. The last argument is the key of the answer,
            which votes carry as their source.
    """

    name: str
    ask: Callable[[PlannedQuestion], Question[T]]
    read: Callable[[T, PlannedQuestion, str], AnswerStatements]
