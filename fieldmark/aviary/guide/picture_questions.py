"""Takes questions about one picture apart and has the scripted guide's sight answer them."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from fieldmark.aviary.guide import picture_answers as looking
from fieldmark.aviary.guide import turns
from fieldmark.aviary.guide.beliefs import Beliefs
from fieldmark.aviary.guide.clauses import ReadClause, read_clauses
from fieldmark.aviary.guide.group_answers import name_seen
from fieldmark.aviary.guide.sight import Glimpse, Sight
from fieldmark.errors import FieldmarkError, InputError
from fieldmark.records import ImagePart
from fieldmark.tools.images.decode import UnusableImageError

PICTURE_FIELDS = frozenset({"findings", "gaps", "argument", "side", "label", "choice", "shows", "evidence"})
"""Fields of answers that tell which question about a picture is asked."""


_DECLINED = "I would rather not comment on this picture."


class DeclinedError(FieldmarkError):
    """The guide declines to talk about a picture, as language models do now and then."""


class BadPictureError(InputError):
    """A picture that cannot be looked at, or data that do not fit the question about it."""


def answer_about(
    sight: Sight,
    images: Sequence[ImagePart],
    fields: frozenset[str],
    data: Mapping[str, Any],
    *,
    beliefs: Beliefs,
    question: str = "",
    said: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Answer a question about one picture, or about those of a group.

    Args:
        sight: The eyes.
        images: The pictures of the question: one, and before it those of its examples; or those of a group.
        fields: Fields of the answer that is asked for.
        data: The data block of the question.
        beliefs: What is held of the species, where the question gives no marks to go by.
        question: Names the question and its sample, for whoever sees anew each time.
        said: What was answered so far in the same chat, in order.

    Returns:
        The answer, a JSON value.

    Raises:
        DeclinedError: If the picture is one of those it declines to talk about.
        BadPictureError: If there are other than these pictures, one cannot be read, or the data do not fit.
    """
    if "findings" in fields and "answers" in data:  # by whoever does not see it
        return turns.weigh(_clauses(data), _text(data, "caption"), _answers(data))
    if "group_names" in fields:
        seen_group = [_look(sight, each, question) for each in images]
        if any(glimpse is not None and glimpse.refused for glimpse in seen_group):
            raise DeclinedError(_DECLINED)
        return name_seen(beliefs, seen_group, data)
    examples = _examples(data) if fields & {"choice", "findings", "argument", "side"} else ()
    if len(images) != 1 + len(examples):
        raise BadPictureError(f"it needs exactly {1 + len(examples)} pictures, and shows {len(images)}")
    *shown, glimpse = (_look(sight, each, question) for each in images)
    if glimpse is not None and glimpse.refused:
        raise DeclinedError(_DECLINED)
    known = list(zip(examples, shown, strict=True))
    if "shows" in fields:
        return turns.caption(glimpse, _clauses(data), question)
    if "evidence" in fields:
        return turns.inquire(glimpse, _clauses(data), _text(data, "caption"), question)
    if "findings" in fields:
        return looking.judge(glimpse, _clauses(data), known)
    if "gaps" in fields:
        about = {"concept": _text(data, "concept"), "purpose": _text(data, "purpose")}
        return looking.gap(glimpse, _side(data, "call"), _clauses(data), **about)
    if "argument" in fields:
        return turns.argue(glimpse, _side(data, "side"), _clauses(data))
    if "side" in fields:
        return turns.settle(glimpse, _clauses(data), _arguments(said), known)
    if "label" in fields:
        return looking.judge_by_document(glimpse, _text(data, "document"))
    if "choice" in fields:
        noun, names = data.get("noun"), _candidates(data)
        if "document" in data:
            return looking.choose_by_document(glimpse, names, _text(data, "document"))
        seen = {name: each for name, each in zip(examples, shown, strict=True) if each is not None}
        marks = looking.marks_stated(_marks(data)) or looking.marks_held(names, beliefs, seen)
        return looking.choose(glimpse, names, marks, noun=noun if isinstance(noun, str) else "bird")
    raise BadPictureError("it shows a picture, but asks for nothing that is said of one")


def _look(sight: Sight, image: ImagePart, question: str) -> Glimpse | None:
    try:
        return sight.look(_bytes_of(image.data_url), question=question)
    except UnusableImageError as error:
        raise BadPictureError(f"its picture cannot be used ({error.reason})") from error


def _bytes_of(data_url: str) -> bytes:
    head, comma, body = data_url.partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        raise BadPictureError("a picture must come as a data URL of the form data:image/...;base64,...")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadPictureError("the base64 of its picture is broken") from error


def _clauses(data: Mapping[str, Any]) -> tuple[ReadClause, ...]:
    found = read_clauses(data.get("clauses"))
    if found is None:
        raise BadPictureError("its data give no list of 'clauses'")
    return found


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name, "")
    if not isinstance(value, str):
        raise BadPictureError(f"its data give no {name!r}")
    return value


def _side(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if value not in ("in", "out"):
        raise BadPictureError(f"its data give no {name!r} that is in or out")
    return str(value)


def _candidates(data: Mapping[str, Any]) -> list[str]:
    names = data.get("candidates")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise BadPictureError("its data give no list of 'candidates'")
    return list(names)


def _examples(data: Mapping[str, Any]) -> list[str]:
    names = data.get("examples", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadPictureError("its data give no list of 'examples'")
    return list(names)


def _answers(data: Mapping[str, Any]) -> dict[str, str]:
    rows = data.get("answers")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadPictureError("its data give no list of 'answers'")
    return {str(row.get("clause")): str(row.get("answer")) for row in rows}


def _arguments(said: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What was argued so far: the sides take turns, and "in" begins."""
    argued = [str(each["argument"]) for each in said if "argument" in each]
    return [(("in", "out")[turn % 2], text) for turn, text in enumerate(argued)]


def _marks(data: Mapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
    rows = data.get("marks", [])
    if not isinstance(rows, list):
        raise BadPictureError("its data give no list of 'marks'")
    found: list[tuple[str, dict[str, str]]] = []
    for row in rows:
        values = row.get("values") if isinstance(row, dict) else None
        if not isinstance(values, dict) or not isinstance(row.get("attribute"), str):
            raise BadPictureError("a mark needs an 'attribute' and 'values'")
        found.append((row["attribute"], {name: v for name, v in values.items() if isinstance(v, str)}))
    return found
