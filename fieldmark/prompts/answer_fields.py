"""The kinds of text that answers are made of, tidied and limited, and what every answer model shares."""

import logging
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from fieldmark.errors import ClassNamesError

MAX_LENGTH = 200
"""The most characters of a value, attribute or caption (not counting the class name in a caption)."""
MAX_WORD_LENGTH = 60
"""The most characters of a word that stands in the place of a class name."""
MAX_NAME_LENGTH = 1000
"""The most characters of a class name that an answer repeats."""
MAX_PROSE_LENGTH = 1200
"""The most characters of a free sentence or two; what is longer is cut, as it is read by people only."""
SECOND_OPINION_TEMPERATURE = 0.7
"""Sampling temperature of every sample but the first, which is asked at 0."""

_LEAD_IN = re.compile(r"^(?:which|that)\s+(?:has|have)\s+|^(?:it\s+)?(?:has|have)\s+|^with\s+", re.IGNORECASE)
_CAPITAL_ARTICLE = re.compile(r"^(?:A|An|The)(?= )")
_ARTICLE = re.compile(r"^(?:a|an|the)(?:\s+|$)", re.IGNORECASE)
COMMANDS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What commands a terminal, turns the direction of writing, or is no character: no word is made of it."""
_log = logging.getLogger(__name__)


class AnswerModel(BaseModel):
    """Base of all answer models: frozen, every field required, unknown fields refused.

    Lengths of texts are checked here. The JSON schema only asks for them (`sent_bound`): strict modes of some
    endpoints refuse schemas with `maxLength`, and what is a little too long can often be mended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


def _tidy(text: str) -> str:
    return re.sub(r"\s+", " ", COMMANDS.sub("", text)).strip()


def _limited(text: str, limit: int) -> str:
    if not text:
        raise ValueError("the text is empty")
    if len(text) > limit:
        raise ValueError(f"the text has {len(text)} characters, more than {limit}")
    return text


def as_phrase(text: str) -> str:
    """A text as a noun phrase: spaces tidied, "which has" and full stops taken off; may be left empty."""
    text = _LEAD_IN.sub("", _tidy(text)).rstrip(" .;,")
    return _CAPITAL_ARTICLE.sub(lambda found: found[0].lower(), text)


def _phrase(text: str) -> str:
    return _limited(as_phrase(text), MAX_LENGTH)


def _word(text: str) -> str:
    return _limited(_without_article(text), MAX_WORD_LENGTH)


def _without_article(text: str) -> str:
    return _ARTICLE.sub("", _tidy(text).strip(" .;,"))


def _attribute(text: str) -> str:
    return _limited(_tidy(text).rstrip(" .:;,"), MAX_LENGTH)


def _prose(text: str) -> str:
    text = _tidy(text)
    if len(text) > MAX_PROSE_LENGTH:
        _log.info("a text of %d characters was cut", len(text))
        text = text[: MAX_PROSE_LENGTH - 1].rstrip() + "…"
    return text


def _percent(least: int) -> Callable[[Any], Any]:
    """Make a validator that reads a share (0.9) as percent, and lifts what is below `least`.

    Models that are not held to the schema write 0.9 for 90, or 0 where they cannot tell.
    """

    def read(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            return value
        share = 0 < value <= 1 and (isinstance(value, float) or least > 1)
        return max(least, round(value * 100 if share else value))

    return read


def tidy_text(limit: int) -> Callable[[str], str]:
    """Make a validator that tidies white space and cuts what is longer than `limit` characters at a word."""

    def tidied(text: str) -> str:
        text = _tidy(text)
        return text if len(text) <= limit else text[: limit + 1].rsplit(" ", 1)[0][:limit].rstrip(" ,;:")

    return tidied


def limited_text(limit: int) -> Callable[[str], str]:
    """Make a validator that tidies white space; what is empty or has over `limit` characters is refused."""
    return lambda text: _limited(_tidy(text), limit)


def sent_bound(length: int, *, with_name: bool = False) -> Any:
    """A bound on a text that endpoints are asked to keep, so that a grammar ends it.

    Args:
        length: The most characters.
        with_name: Whether the text repeats a class name, whose characters do not count.
    """
    return Field(json_schema_extra={"maxLength": length, **({"x-with-name": True} if with_name else {})})


def _sent_range(least: int, most: int) -> Any:
    """A range that endpoints are asked to keep; pydantic tells none of what a validator reads first."""
    return Field(json_schema_extra={"x-range": [least, most]})


Phrase = Annotated[str, AfterValidator(_phrase), sent_bound(MAX_LENGTH)]
"""A noun phrase that fits "which has ...": lead-ins ("which has") and full stops are taken off."""
Word = Annotated[str, AfterValidator(_word), sent_bound(MAX_WORD_LENGTH)]
"""A word or short phrase that fits "a photo of a ...": articles and full stops are taken off."""
KindName = Annotated[
    str,
    AfterValidator(lambda text: _limited(_without_article(text), MAX_LENGTH + MAX_NAME_LENGTH)),
    sent_bound(MAX_LENGTH, with_name=True),
]
"""As `Word`, but with room for a whole class name in it: "male veyzan heron"."""
AttributeName = Annotated[str, AfterValidator(_attribute), sent_bound(MAX_LENGTH)]
"""What an attribute is called: "bill colour"."""
Caption = Annotated[
    str,
    AfterValidator(lambda text: _limited(_tidy(text), MAX_LENGTH + MAX_NAME_LENGTH)),
    sent_bound(MAX_LENGTH, with_name=True),
]
"""A sentence that captions a photo of a class."""
Prose = Annotated[str, AfterValidator(_prose), sent_bound(MAX_PROSE_LENGTH)]
"""A free sentence or two; may be empty."""
Confidence = Annotated[int, BeforeValidator(_percent(50)), Field(ge=50, le=100), _sent_range(50, 100)]
"""How sure an answer is of the one of two sides that it takes, in percent."""
Percent = Annotated[int, BeforeValidator(_percent(0)), Field(ge=0, le=100), _sent_range(0, 100)]
"""How sure an answer is of one of many choices, in percent."""
ClassName = Annotated[
    str, AfterValidator(lambda text: _limited(text, MAX_NAME_LENGTH)), sent_bound(40, with_name=True)
]
"""A class name repeated by the answer, untouched."""


def at_most(limit: int) -> Callable[[Any], Any]:
    """Make a validator that keeps the first `limit` items of a list.

    The prompts ask for the most telling items first, so that dropping the surplus of an endpoint that
    does not enforce schemas loses less than refusing the whole answer.
    """

    def keep_first(items: Any) -> Any:
        if not isinstance(items, list):
            return items
        found = cast("list[Any]", items)
        if len(found) > limit:
            _log.info("an answer gave %d items where at most %d were asked for", len(found), limit)
        return found[:limit]

    return keep_first


THREE = (BeforeValidator(at_most(3)), Field(min_length=1, max_length=3))
FIVE = (BeforeValidator(at_most(5)), Field(min_length=1, max_length=5))
SIX = (BeforeValidator(at_most(6)), Field(min_length=1, max_length=6))


def temperature_of(sample: int) -> float:
    """0 for the first answer; warmer for further samples, which would repeat it otherwise."""
    return 0.0 if sample == 0 else SECOND_OPINION_TEMPERATURE


def answer_tokens(*names: str, statements: int, overhead: int = 200) -> int:
    """A generous bound on an answer's tokens: every statement may repeat every name once.

    Args:
        *names: The class names that each statement repeats.
        statements: Number of statements (attributes or descriptors) in the answer.
        overhead: Tokens of the answer's frame.
    """
    per_statement = 60 + sum(40 + len(name.encode("utf-8", "replace")) // 2 for name in names)
    return overhead + statements * per_statement


def evenly_spaced(names: Sequence[str], most: int) -> tuple[str, ...]:
    """At most so many of the names, taken evenly over all of them, in their order."""
    count = min(len(names), most)
    return tuple(names[index * len(names) // count] for index in range(count))


def distinct_classes(names: Sequence[str], *, least: int) -> tuple[str, ...]:
    """Check the class names of a question.

    Raises:
        ClassNamesError: If there are fewer than `least`, or one is blank or repeated.
    """
    if len(names) < least:
        raise ClassNamesError(
            f"the question needs at least {least} classes, not {len(names)}.", hint="Add class names."
        )
    if any(not name.strip() for name in names):
        raise ClassNamesError("a class name is blank.", hint="Give every class a name.")
    if len(set(names)) < len(names):
        raise ClassNamesError("a class name is repeated.", hint="Name every class once.")
    return tuple(names)
