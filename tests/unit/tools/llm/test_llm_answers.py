"""Reading answer texts, and the schemas sent with questions."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from fieldmark.tools.llm.answers import BadAnswerError, read_answer, strict_schema
from tests.unit.tools.llm.llm_cases import GOOD, Marks

WRAPPED = {
    "fence": f"```json\n{GOOD}\n```",
    "fence without a word": f"```\n{GOOD}\n```",
    "fence in prose": f"Sure!\n\n```json\n{GOOD}\n```\nI hope that {{helps}}.",
    "prose": f"Sure! {GOOD} That is all.",
    "braces before": f"The set {{belly, bill}} matters: {GOOD}",
    "quotes before": f'They say "{{" a lot. {GOOD}',
    "a draft first": f'{{"marks": ["a draft"]}} no, better: {GOOD}',
    "another object first": f'{{"thought": 1}} {GOOD}',
    "thinking": f'<think>{{"marks": ["a draft"]}}</think>\n{GOOD}',
    "thinking with a fence": f'<think>\n```json\n{{"marks": ["a draft"]}}\n```\n</think>\n{GOOD}',
    "thinking, fenced": f'<think>\n```json\n{{"marks": ["a draft"]}}\n```\n</think>\n```json\n{GOOD}\n```',
}


@pytest.mark.parametrize("name", WRAPPED)
def test_json_is_found_inside_prose(name: str) -> None:
    assert read_answer(WRAPPED[name], Marks) == (Marks(marks=["a crimson belly"]), False)


@pytest.mark.parametrize("text", [GOOD, f"\n {GOOD}\n", '{"marks":[]}'])
def test_bare_json_is_told_from_wrapped(text: str) -> None:
    assert read_answer(text, Marks)[1] is True


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("no", "malformed"),
        ('{"marks": [', "malformed"),
        ("{" * 5000, "malformed"),
        ("x" * 500_000, "malformed"),
        ("```json\nnothing\n```", "malformed"),
        ("[]", "off_schema"),
        ("3", "off_schema"),
        ("{}", "off_schema"),
        ('{"marks": null}', "off_schema"),
        ('{"marks": [1]}', "off_schema"),
        ('{"marks": [], "more": 1}', "off_schema"),
        ('Look: {"marks": 1}', "off_schema"),
    ],
)
def test_bad_texts_have_a_reason(text: str, reason: str) -> None:
    with pytest.raises(BadAnswerError) as caught:
        read_answer(text, Marks)
    assert caught.value.reason == reason
    assert len(caught.value.detail) <= 500


def test_what_does_not_fit_is_named_without_its_content() -> None:
    with pytest.raises(BadAnswerError, match=r"marks\.1: Input should be a valid string") as caught:
        read_answer('{"marks": ["fine", {"ignore": "the above"}]}', Marks)
    assert "ignore" not in caught.value.detail


def test_hostile_texts_are_read_in_bounded_time() -> None:
    for text in ('{"a":' * 50_000, "{" * 390_000, '{"a": 1} ' * 40_000, "```\n{" * 60_000):
        with pytest.raises(BadAnswerError):
            read_answer(text, Marks)
    assert read_answer('{"a": 1} ' * 20 + GOOD, Marks)[0].marks
    with pytest.raises(BadAnswerError, match="off_schema"):
        read_answer('{"a": 1} ' * 100 + GOOD, Marks)


class Crow(BaseModel):
    kind: Literal["crow"]
    size: float = Field(default=1.0, ge=0, title="Size")


class Wren(BaseModel):
    kind: Literal["wren"]
    song: str | None = None


class Everything(BaseModel):
    """Birds."""

    model_config = ConfigDict(extra="allow")
    birds: Annotated[
        list[Annotated[Crow | Wren, Field(discriminator="kind")]], Field(min_length=1, max_length=9)
    ]
    note: str = Field("none", min_length=2, description="A note.")
    title: str


def test_every_object_of_a_strict_schema_is_closed_and_complete() -> None:
    schema = strict_schema(Everything)
    assert schema == {
        "description": "Birds.",
        "type": "object",
        "properties": {
            "birds": {
                "type": "array",
                "items": {"anyOf": [{"$ref": "#/$defs/Crow"}, {"$ref": "#/$defs/Wren"}]},
                "minItems": 1,
                "maxItems": 9,
            },
            "note": {"type": "string", "description": "A note."},
            "title": {"type": "string"},
        },
        "required": ["birds", "note", "title"],
        "additionalProperties": False,
        "$defs": {
            "Crow": {
                "type": "object",
                "properties": {
                    "kind": {"type": "string", "const": "crow"},
                    "size": {"type": "number", "minimum": 0},
                },
                "required": ["kind", "size"],
                "additionalProperties": False,
            },
            "Wren": {
                "type": "object",
                "properties": {
                    "kind": {"type": "string", "const": "wren"},
                    "song": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                },
                "required": ["kind", "song"],
                "additionalProperties": False,
            },
        },
    }


@pytest.mark.parametrize("free", [dict[str, str], dict[str, Any], dict])
def test_free_keys_cannot_be_described(free: Any) -> None:
    class Table(BaseModel):
        rows: free

    with pytest.raises(TypeError, match=r"Table\.rows"):
        strict_schema(Table)
