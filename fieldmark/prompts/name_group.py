"""The questions what a group of photos is called, by what is said of it or by a look, and their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from fieldmark.prompts.answer_fields import (
    FIVE,
    AnswerModel,
    Caption,
    Word,
    answer_tokens,
    at_most,
    evenly_spaced,
)
from fieldmark.prompts.loader import question_from
from fieldmark.records.questions import ImagePart, Question

PROMPT_ID = "name_group.v1"
SEEN = "name_group_seen.v1"
MOST_CAPTIONS, MOST_MARKS, MOST_LISTED, MOST_PHOTOS = 12, 8, 60, 8
"""The most of each that the questions hold; of more listed names, evenly spaced ones."""


class GroupNames(AnswerModel):
    """What a group of photos may be called, the likeliest name first."""

    group_names: Annotated[
        list[Word], *FIVE, Field(description='One to five names that fit "a photo of a ...".')
    ]


class SeenGroup(AnswerModel):
    """What photos of a group show, then what the group may be called, the likeliest name first."""

    photo_captions: Annotated[
        list[Caption],
        BeforeValidator(at_most(MOST_PHOTOS)),
        Field(max_length=MOST_PHOTOS, description="A caption of each photo, in their order."),
    ]
    group_names: Annotated[
        list[Word], *FIVE, Field(description='One to five names that fit "a photo of a ...".')
    ]


@dataclass(frozen=True, kw_only=True)
class GroupHints:
    """What a question says of a group.

    Attributes:
        captions: Captions of images that look like those of the group.
        marks: What most images of the group show and others do not.
        listed: Names that it cannot have.
        noun: The generic word for all images; "" where nobody knows.
    """

    captions: Sequence[str] = ()
    marks: Sequence[str] = ()
    listed: Sequence[str] = ()
    noun: str = ""


def ask_name_group(hints: GroupHints) -> Question[GroupNames]:
    """Ask what a group is called, by what is said of it."""
    return question_from(
        PROMPT_ID,
        GroupNames,
        max_tokens=answer_tokens(statements=5),
        **_data(hints),
    )


def ask_name_group_seen(photos: Sequence[ImagePart], hints: GroupHints) -> Question[SeenGroup]:
    """Ask what a group is called, with photos of it."""
    return question_from(
        SEEN,
        SeenGroup,
        max_tokens=answer_tokens(statements=5 + 2 * len(photos)),
        images=tuple(photos[:MOST_PHOTOS]),
        **_data(hints),
    )


def _data(hints: GroupHints) -> dict[str, Any]:
    return {
        "captions": list(hints.captions[:MOST_CAPTIONS]),
        "marks": list(hints.marks[:MOST_MARKS]),
        "listed": list(evenly_spaced(tuple(hints.listed), MOST_LISTED)),
        "noun": hints.noun,
    }
