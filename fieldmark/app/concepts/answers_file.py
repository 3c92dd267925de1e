"""An owner whose answers stand in a file, for scripts and tests."""

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import ValidationError, field_validator, model_validator

from fieldmark.agents.define.hearing import Slip, read_answer
from fieldmark.errors import InputError
from fieldmark.reading import read_text
from fieldmark.records import Clause, LabelValue, Record
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ConversationQuestion,
    ConversationReply,
    EditOffer,
    ImageLabel,
    LabelReply,
    OfferReply,
    Response,
    RevealReply,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
)
from fieldmark.tools.images.files import ImageFile

LEAST_HASH = 8
"""So many digits of a content hash name an image."""

_FORM = 'A line is an object, such as {"image": "wren/0001.jpg", "label": "in"}.'


class AnswerLine(Record):
    """One line of an answers file: what to say of an image, to a question, or to all edits."""

    image: str | None = None
    """The end of its path, as much of it as no other image has, or the beginning of its content hash."""
    label: LabelValue | None = None
    reason: str = ""
    """Said where the annotator disagrees with the label."""
    misread: bool | tuple[str, ...] = False
    """Whether the annotator misread the image where it disagrees, or which clauses of it, by their ids."""
    question: str | None = None
    """A part of the question; an empty one stands for all that no other line answers."""
    answer: str = ""
    offers: Literal["accept", "decline"] | None = None

    @field_validator("misread", mode="before")
    @classmethod
    def _true_or_clauses(cls, given: Any) -> Any:
        if given and isinstance(given, list) and all(isinstance(each, str) for each in cast("Any", given)):
            return tuple(cast("list[str]", given))
        if not isinstance(given, bool):
            raise ValueError('it is true, or names clauses, such as ["c2"]')
        return given

    @model_validator(mode="after")
    def _one_thing(self) -> "AnswerLine":
        given = [self.image is not None, self.question is not None, self.offers is not None]
        if sum(given) != 1 or (self.image is not None) != (self.label is not None):
            raise ValueError('a line has "image" and "label", or "question" and "answer", or "offers"')
        if self.misread is not False and self.image is None:
            raise ValueError('"misread" is said of an image')
        return self


class AnswersFile:
    """An `Owner` that answers by the lines of a file, in any order.

    An image or question without a line stays unanswered; an edit is declined unless a line accepts edits.

    Args:
        lines: The lines.
        images: The pool, by content hash.

    Raises:
        InputError: A line names more than one image.

    Attributes:
        skipped: Questions that no line answers, in order.
    """

    def __init__(self, lines: list[AnswerLine], images: Mapping[str, ImageFile]) -> None:
        self._questions = [line for line in lines if line.question is not None]
        self._accepts = any(line.offers == "accept" for line in lines)
        self._said: dict[str, AnswerLine] = {}
        self._images = images
        self.skipped: list[str] = []
        by_name = _by_name(images)
        for line in lines:
            if line.image is not None and (name := _named(line.image, by_name, images)) is not None:
                self._said[name] = line

    async def answer(self, payload: ConversationQuestion) -> ConversationReply:
        """Answer one question."""
        match payload:
            case ScopeQuestion():
                return ScopeReply(answer=self._answer(payload))
            case BoardToLabel() | BlindBatch():
                labels = [(image, self._said[image]) for image in payload.images if image in self._said]
                return LabelReply(
                    labels=tuple(
                        ImageLabel(image=image, value=line.label) for image, line in labels if line.label
                    ),
                )
            case VerdictReveal():
                lines = [(image.image, self._said.get(image.image)) for image in payload.disagreements]
                said = [_response(image, line, payload.clauses) for image, line in lines if line is not None]
                return RevealReply(responses=tuple(each for each in said if each is not None))
            case EditOffer():
                return OfferReply(accept=self._accepts)

    def _answer(self, payload: ScopeQuestion) -> str:
        """The answer of the line that fits best: a letter picks an option.

        Raises:
            InputError: It is a letter or a digit that means nothing.
        """
        question = payload.question
        fitting = [q for q in self._questions if (q.question or "").casefold() in question.casefold()]
        if not fitting:
            self.skipped.append(question)
            return ""
        answer = read_answer(max(fitting, key=lambda q: len(q.question or "")).answer, payload.options)
        if isinstance(answer, Slip):
            raise InputError(f"The answer to {question!r} is a slip: {answer.says}", hint=_FORM)
        return answer


def _response(image: str, line: AnswerLine, clauses: Sequence[Clause]) -> Response | None:
    """What a line says to a verdict that disagrees with its label; None where it says nothing.

    Raises:
        InputError: It names a clause that was not judged.
    """
    if line.misread is False:
        return Response(image=image, kind="reason", reason=line.reason) if line.reason else None
    named = () if line.misread is True else line.misread
    known = [clause.id for clause in clauses]
    if unknown := [name for name in named if name not in known]:
        raise InputError(
            f"The line of {line.image!r} says that {', '.join(unknown)} was misread, which was not judged.",
            hint=f"Judged were: {', '.join(known)}. What was answered is kept: correct the line, and go on.",
        )
    return Response(image=image, kind="model_wrong", reason=line.reason, clauses=named)


def read_answers(path: Path, images: Mapping[str, ImageFile]) -> AnswersFile:
    """Read an answers file: one JSON object a line.

    Raises:
        InputError: It cannot be read, a line is not well formed, or names more than one image; the message
            says which.
    """
    try:
        lines = read_text(path, encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        says = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"The answers cannot be read from {str(path)!r}: {says}.", hint=_FORM) from error
    found: list[AnswerLine] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(AnswerLine.model_validate_json(line))
            except ValidationError as error:
                raise InputError(
                    f"Line {number} of {str(path)!r} is no answer: {_complaint(error)}.", hint=_FORM
                ) from None
    return AnswersFile(found, images)


def _complaint(error: ValidationError) -> str:
    """What is wrong with a line, with the key where it is one key that is."""
    first = error.errors(include_input=False, include_url=False)[0]
    key = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return f"it has the key {key!r}, and there are {', '.join(AnswerLine.model_fields)}"
    says = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{key}: {says}" if key else says


def _composed(text: str) -> str:
    """A path in the one spelling that is compared: macOS writes an "ä" as two characters."""
    return unicodedata.normalize("NFC", text)


def image_named(given: str, images: Mapping[str, ImageFile]) -> str | None:
    """The content hash of the image that a text names: the end of its path, or the beginning of its hash.

    Raises:
        InputError: It names more than one.
    """
    return _named(given, _by_name(images), images)


def _by_name(images: Mapping[str, ImageFile]) -> dict[str, list[str]]:
    by_name: dict[str, list[str]] = {}
    for name, image in images.items():
        by_name.setdefault(_composed(image.path.name), []).append(name)
    return by_name


def _named(given: str, by_name: Mapping[str, list[str]], images: Mapping[str, ImageFile]) -> str | None:
    """The image that a line names; None where the pool has no such image.

    Raises:
        InputError: It names more than one.
    """
    asked = Path(_composed(given))
    parts = asked.parts
    paths = {
        name: Path(_composed(str(images[name].path))) for name in by_name.get(parts[-1] if parts else "", [])
    }
    found = [name for name, path in paths.items() if path == asked]
    found = found or [name for name, path in paths.items() if path.parts[-len(parts) :] == parts]
    if not found and len(given) >= LEAST_HASH:
        found = [name for name in images if name.startswith(given)]
    if len(found) > 1:
        one, other = (str(images[name].path) for name in found[:2])
        raise InputError(
            f"{given!r} names {len(found)} images: {one!r} and {other!r}"
            f"{'' if len(found) == 2 else ', among others'}.",
            hint="Write more of the path, as far as it tells them apart.",
        )
    return found[0] if found else None
