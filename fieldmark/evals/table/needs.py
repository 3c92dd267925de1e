"""Keeps what a method used beside its checkpoint, so that a resumed run counts what a killed one used, too.

A graph that goes on from its checkpoint neither asks nor encodes again what it has; without this file it
would look as if it had never needed it.
"""

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from fieldmark.errors import QuestionFailed
from fieldmark.reading import read_lines
from fieldmark.records import Question
from fieldmark.tools.llm.chat import LanguageModel, ModelAnswer, concurrency_of

T = TypeVar("T", bound=BaseModel)

NEEDS = "needs.jsonl"


class Needs:
    """What a method used so far, by this process and by those before it.

    Attributes:
        answers: For each answer used its (asked anew?, prompt tokens, completion tokens).
        failed: Questions that brought no usable answer and were not answered later.
        texts: Texts compared with images, by hash.
        images: Images looked at, by content hash.

    Args:
        path: A file that only grows; read where it is there.
    """

    def __init__(self, path: Path) -> None:
        self.answers: dict[str, tuple[bool, int | None, int | None]] = {}
        self.failed: set[str] = set()
        self.texts: set[str] = set()
        self.images: set[str] = set()
        self._path = path
        try:
            for line in read_lines(path):
                self._take(line)
        except FileNotFoundError:
            pass

    def answered(self, question: str, answer: ModelAnswer[Any]) -> None:
        """Note an answer, and by whose question."""
        self.failed.discard(question)
        if answer.key not in self.answers:
            said = (not answer.cached, answer.prompt_tokens, answer.completion_tokens)
            self.answers[answer.key] = said
            self._write({"answer": answer.key, "of": question, "said": said})

    def unanswered(self, question: str) -> None:
        """Note a question without a usable answer."""
        if question not in self.failed:
            self.failed.add(question)
            self._write({"failed": question})

    def encoded(self, *, texts: Iterable[str] = (), images: Iterable[str] = ()) -> None:
        """Note texts, and the content hashes of images."""
        hashes = {hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32] for text in texts}
        self._add("texts", self.texts, hashes)
        self._add("images", self.images, set(images))

    def _add(self, kind: str, known: set[str], found: Collection[str]) -> None:
        fresh = sorted(set(found) - known)
        if fresh:
            known.update(fresh)
            self._write({kind: fresh})

    def _write(self, row: dict[str, Any]) -> None:
        with self._path.open("a", encoding="ascii") as file:
            file.write(json.dumps(row) + "\n")

    def _take(self, line: bytes) -> None:
        try:
            row = json.loads(line)
            if "answer" in row:
                fresh, prompt, completion = row["said"]
                self.answers[str(row["answer"])] = (bool(fresh), prompt, completion)
                self.failed.discard(str(row["of"]))
            elif "failed" in row:
                self.failed.add(str(row["failed"]))
            self.texts.update(map(str, row.get("texts", ())))
            self.images.update(map(str, row.get("images", ())))
        except (ValueError, TypeError, KeyError, AttributeError):
            return  # a line that a kill tore


class NotingModel:
    """A language model whose answers are noted."""

    def __init__(self, llm: LanguageModel, needs: Needs) -> None:
        self._llm = llm
        self._needs = needs

    @property
    def model(self) -> str:
        """The model's name, where it has one."""
        return str(getattr(self._llm, "model", ""))

    @property
    def concurrency(self) -> int:
        """How many questions the model takes at a time."""
        return concurrency_of(self._llm)

    async def ask(self, question: Question[T]) -> ModelAnswer[T]:
        """See `LanguageModel`."""
        name = question_name(question)
        try:
            answer = await self._llm.ask(question)
        except QuestionFailed:
            self._needs.unanswered(name)
            raise
        self._needs.answered(name, answer)
        return answer


def question_name(question: Question[Any]) -> str:
    """A hash that tells a question from all others; of any text, also one that cannot be sent."""
    said = repr([question.prompt_id, [m.model_dump(mode="json") for m in question.messages], question.sample])
    return hashlib.sha256(said.encode("utf-8", "backslashreplace")).hexdigest()
