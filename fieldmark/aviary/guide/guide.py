"""The scripted field guide answers questions about the aviary's birds and about their pictures."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from fieldmark.aviary.guide.answers import Answers
from fieldmark.aviary.guide.beliefs import Beliefs, GuideSettings
from fieldmark.aviary.guide.definition_questions import (
    ANALYST_FIELDS,
    BadDefinitionError,
    answer_about_definition,
    is_about_definition,
)
from fieldmark.aviary.guide.group_answers import name_group
from fieldmark.aviary.guide.method_answers import MethodAnswers
from fieldmark.aviary.guide.picture_questions import PICTURE_FIELDS, BadPictureError, answer_about
from fieldmark.aviary.guide.sight import Sight
from fieldmark.aviary.guide.words import OTHER_NAMES
from fieldmark.aviary.world.attributes import ATTRIBUTES
from fieldmark.aviary.world.grammar import value_phrases
from fieldmark.aviary.world.species import Species, world_hash
from fieldmark.errors import InputError
from fieldmark.records import ChatMessage
from fieldmark.tools.llm.scripted import GUIDE_MODEL

GUIDE_VERSION = 5
"""Raised whenever the same question would get another answer."""
MODEL_NAME = GUIDE_MODEL
"""The model name under which it is served: it never poses as a language model."""

_DATA_BLOCK = re.compile(r"^<data>\n(.*?)\n</data>$", re.DOTALL | re.MULTILINE)
_MOST_OBJECTS = 64


class UnknownQuestionError(InputError):
    """A question that the scripted guide has no answer to."""


class Guide:
    """Answers questions about the species of one book.

    Everything it knows of a question is the text of the messages, the answer schema and the sampling
    seed that an endpoint would see. The same question gets the same answer in every process.

    Args:
        book: The species of the world.
        settings: How often it is wrong, and how freely it words its answers.
        sight: What it knows pictures by; None leaves it blind: it then answers from text alone.
    """

    def __init__(
        self, book: Sequence[Species], settings: GuideSettings | None = None, *, sight: Sight | None = None
    ) -> None:
        self.settings = settings or GuideSettings()
        self.beliefs = Beliefs(book, self.settings)
        self.sight = sight
        self._answers = Answers(self.beliefs)
        self._method_answers = MethodAnswers(self.beliefs)
        world = world_hash(book)
        self._root = [world, self.settings.seed]
        stated = json.dumps(asdict(self.settings), sort_keys=True, separators=(",", ":"))
        self.identity = f"aviary-guide/{GUIDE_VERSION} world={world} words={_words_hash()} settings={stated}"
        self.identity += f" {sight.identity}" if sight is not None else ""
        """What its answers depend on: its version, world, words and settings, and how it sees."""

    def answer(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None = None, seed: int = 0
    ) -> str:
        """Answer a question.

        Args:
            messages: The chat messages; the question is the last one of the user.
            schema: The JSON schema that the answer must fit; None to read the form of the answer from
                the text.
            seed: The sampling seed: another seed, another answer to the same question.

        Returns:
            The answer, one JSON object.

        Raises:
            UnknownQuestionError: If it is not one of the questions the guide knows, or shows a picture that
                cannot be used.
            DeclinedError: If it shows a picture that the guide declines to talk about.
        """
        images = [image for message in messages for image in message.images]
        if images and self.sight is None:
            raise _not_understood("it shows an image, and this guide sees nothing but text")
        text = _question_text(messages)
        data = _data_of(text)
        fields = _property_names(schema) if schema is not None else _fields_in(_DATA_BLOCK.sub("", text))
        if self.sight is not None and (images or fields & PICTURE_FIELDS):
            try:
                earlier, said = _chat_before(messages)
                answer = answer_about(
                    self.sight, images, fields, {**earlier, **data}, beliefs=self.beliefs, said=said,
                    question=_named(messages, seed),
                )  # fmt: skip
                return json.dumps(answer, ensure_ascii=False)
            except BadPictureError as error:
                raise _not_understood(error.message) from error
        if is_about_definition(fields, data):
            try:
                return json.dumps(answer_about_definition(fields, data), ensure_ascii=False)
            except BadDefinitionError as error:
                raise _not_understood(error.message) from error
        # What the question is about names it, not the instructions around it: so the answer is the
        # same whether the schema comes along or in the text. The rates of mistakes are left out, so that
        # guides of different rates choose the same words and can be compared pair by pair.
        about = json.dumps([sorted(fields & _TELLING), data, seed, self._root], sort_keys=True)
        question = hashlib.sha256(about.encode("ascii")).hexdigest()
        return json.dumps(self._compose(fields, data, question), ensure_ascii=False)

    def _compose(self, fields: frozenset[str], data: Mapping[str, Any], question: str) -> dict[str, Any]:
        if "descriptors" in fields:
            return self._answers.describe(_text(data, "class"), question)
        if "first_value" in fields:
            return self._answers.differentiate(_text(data, "first"), _text(data, "second"), question)
        if "differences" in fields:
            tried = _texts(data, "tried") if "tried" in data else ()
            return self._answers.differentiate_group(_texts(data, "classes"), question, tried=tried)
        if "entries" in fields:
            return self._answers.tabulate(_text(data, "class"), _attributes(data), question)
        if "edits" in fields:
            described = {_text(row, "class"): _marks(row) for row in _rows(data, "classes")}
            pairs = [(_text(row, "class"), _text(row, "taken_for")) for row in _rows(data, "confusions")]
            return self._answers.reflect(described, pairs, question)
        if "synonyms" in fields:
            return self._answers.synonyms(_text(data, "class"), question)
        if "domain_words" in fields:
            return self._answers.domain_words(_texts(data, "classes"))
        if "noun" in fields:
            return self._answers.noun(_texts(data, "classes"))
        return self._compose_for_methods(fields, data, question)

    def _compose_for_methods(
        self, fields: frozenset[str], data: Mapping[str, Any], question: str
    ) -> dict[str, Any]:
        if "sentences" in fields:
            return self._method_answers.portray(_text(data, "class"), _text(data, "question"), question)
        if "task_questions" in fields:
            return self._method_answers.task_questions(_texts(data, "classes"))
        if "subclasses" in fields:
            return self._method_answers.subclasses(_text(data, "class"), question)
        if "factors" in fields:
            return self._method_answers.contexts()
        if "aspects" in fields:
            return self._method_answers.aspects(_texts(data, "classes"), _number(data, "most"), question)
        if "families" in fields:
            return self._method_answers.family(_texts(data, "classes"))
        if "group_names" in fields:
            return name_group(self.beliefs, data)
        raise _not_understood("it asks for an answer of an unknown form")


_TELLING = frozenset({
    "descriptors", "differences", "first_value", "entries", "edits", "noun", "synonyms", "domain_words",
    "sentences", "task_questions", "subclasses", "factors", "families", "group_names", "aspects",
})  # fmt: skip
"""Fields by which an answer about classes is known."""


def _question_text(messages: Sequence[ChatMessage]) -> str:
    asked = [message.content for message in messages if message.role == "user"]
    if not asked:
        raise _not_understood("there is no message of the user")
    return asked[-1].replace("\r\n", "\n")


def _chat_before(messages: Sequence[ChatMessage]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The data of earlier questions of a chat, and what was answered to them."""
    asked = [message.content for message in messages if message.role == "user"][:-1]
    data = [_data_of(text.replace("\r\n", "\n")) for text in asked]
    said = [_json_or_none(message.content) for message in messages if message.role == "assistant"]
    merged = {name: value for each in data for name, value in each.items()}
    return merged, [each for each in said if isinstance(each, dict)]


def _named(messages: Sequence[ChatMessage], seed: int) -> str:
    """A name of the words of a question and its sample; its pictures have names of their own."""
    words = json.dumps([[message.content for message in messages], seed])
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:16]


def _data_of(text: str) -> Mapping[str, Any]:
    blocks = _DATA_BLOCK.findall(text)
    if len(blocks) != 1:
        raise _not_understood("it has no data between one line <data> and one line </data>")
    data = _json_or_none(blocks[0])
    if not isinstance(data, dict):
        raise _not_understood("its data are no JSON object")
    return cast("dict[str, Any]", data)


def _fields_in(text: str) -> frozenset[str]:
    """Field names of the answer, from the JSON schema or the example of its form in the text."""
    shown: frozenset[str] = frozenset()
    for found in _objects_in(text):
        if isinstance(found.get("properties"), dict):
            return _property_names(found)
        names = _keys(found)
        shown = names if names & (_TELLING | PICTURE_FIELDS | ANALYST_FIELDS) else shown
    return shown


def _objects_in(text: str) -> Iterator[dict[str, Any]]:
    decoder, start = json.JSONDecoder(), text.find("{")
    for _ in range(_MOST_OBJECTS):
        if start < 0:
            return
        try:
            found, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield found
        start = text.find("{", end)


def _property_names(schema: Mapping[str, Any]) -> frozenset[str]:
    """Names of all properties anywhere in a JSON schema."""
    names: set[str] = set()
    left: list[Any] = [schema]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            properties = part.get("properties")
            if isinstance(properties, dict):
                names.update(properties)
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)
    return frozenset(names)


def _keys(value: Any) -> frozenset[str]:
    """Names of all fields anywhere in a JSON value."""
    names: set[str] = set()
    left: list[Any] = [value]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            names.update(part)
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)
    return frozenset(names)


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise _not_understood(f"its data give no {name!r}")
    return value


def _texts(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = data.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise _not_understood(f"its data give no list of {name!r}")
    return tuple(value)


def _number(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _not_understood(f"its data give no number of {name!r}")
    return value


def _attributes(data: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (_text(row, "name"), _texts(row, "values_seen") if row.get("values_seen") else ())
        for row in _rows(data, "attributes")
    ]


def _marks(row: Mapping[str, Any]) -> tuple[str, ...]:
    return _texts(row, "marks") if row.get("marks") else ()


def _rows(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = data.get(name)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise _not_understood(f"its data give no list of {name!r}")
    return rows


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _words_hash() -> str:
    """Twelve hex digits that change with any wording of marks; of other wordings `GUIDE_VERSION` tells."""
    phrases = [value_phrases(a.key, value) for a in ATTRIBUTES for value in a.values]
    names = [(a.question_name, OTHER_NAMES[a.key]) for a in ATTRIBUTES]
    return hashlib.sha256(json.dumps([phrases, names]).encode("ascii")).hexdigest()[:12]


def _not_understood(why: str) -> UnknownQuestionError:
    return UnknownQuestionError(
        f"the scripted guide does not understand the question: {why}.",
        hint="It answers the questions of Fieldmark's prompts about classes, and no others.",
    )
