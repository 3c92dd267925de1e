"""Reading answer texts, and the schemas sent with questions."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from fieldmark.tools.llm.answer_schema import MOST_CHARACTERS, WITH_NAME, bounded_schema, strict_schema
from fieldmark.tools.llm.answers import BadAnswerError, read_answer
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
    "a fenced draft first": f'```json\n{{"marks": ["a draft"]}}\n```\nOn reflection: {GOOD}',
    "a broken draft first": f'{{"marks": [draft]}} no: {GOOD}',
    "tags in square brackets": f'[THINK]{{"marks": ["a draft"]}}[/THINK]{GOOD}',
    "tags whose opening was in the prompt": f'{{"marks": ["a draft"]}}\n</think>\n{GOOD}',
    "thinking twice": f'<think>a</think> <think>{{"marks": ["a draft"]}}</think>\n{GOOD}',
    "thinking after it": f'{GOOD}\n<think>{{"marks": ["a doubt"]}}</think>',
    "other tags": f'<|START_THINKING|>{{"marks": ["a draft"]}}<|END_THINKING|>{GOOD}',
    "harmony": '<|channel|>analysis<|message|>{"marks": ["a draft"]}<|end|><|start|>assistant'
    f"<|channel|>final <|constrain|>json<|message|>{GOOD}<|return|>",
    "harmony without marks": f'analysis{{"marks": ["a draft"]}}assistantfinal{GOOD}',
    "thinking": f'<think>{{"marks": ["a draft"]}}</think>\n{GOOD}',
    "thinking with a fence": f'<think>\n```json\n{{"marks": ["a draft"]}}\n```\n</think>\n{GOOD}',
    "thinking, fenced": f'<think>\n```json\n{{"marks": ["a draft"]}}\n```\n</think>\n```json\n{GOOD}\n```',
}


@pytest.mark.parametrize("name", WRAPPED)
def test_json_is_found_inside_prose(name: str) -> None:
    assert read_answer(WRAPPED[name], Marks) == (Marks(marks=["a crimson belly"]), False)


def test_a_line_break_within_a_string_is_read_as_one() -> None:
    assert read_answer('{"marks": ["a crimson\n\tbelly"]}', Marks) == (
        Marks(marks=["a crimson\n\tbelly"]),
        False,
    )


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
        ('A draft: {"marks": ["a draft"]} Better: {"marks": ["a crimson', "malformed"),
        ('{"marks": ["a draft"]} Better: {"marks": ["a crimson belly"], "more": [{"a": 1},', "malformed"),
        ('<think>Perhaps {"marks": ["a draft"]}', "truncated"),
        ('[THINK]Perhaps\n```json\n{"marks": ["a draft"]}\n```', "truncated"),
        ('<|channel|>analysis<|message|>{"marks": ["a draft"]}<|end|>', "truncated"),
        ('<|channel|>analysis<|message|>{"marks": ["a draft"]}', "truncated"),
        ('analysisWe say {"marks": ["a draft"]}', "truncated"),
        ('<think>{"marks": ["a draft"]}</think>', "empty"),
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
    assert read_answer('{"a": 1} ' * 1000 + GOOD, Marks)[0].marks
    hostile = ("<think>" * 50_000, "<|channel|>a" * 30_000, '{"a": "' * 50_000, "[THINK][/THINK]" * 25_000)
    for text in hostile:
        with pytest.raises(BadAnswerError):
            read_answer(text, Marks)


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


class Sized(BaseModel):
    """Answers with bounds of their own, which are sent and change no key."""

    phrase: Annotated[str, Field(json_schema_extra={"maxLength": 40})]
    caption: Annotated[str, Field(json_schema_extra={"maxLength": 40, WITH_NAME: True})]
    kind: Literal["a", "b"]
    few: Annotated[list[str], Field(max_length=3)]
    many: list[Wren]


def test_every_string_and_list_of_a_bounded_schema_has_an_end() -> None:
    sent = bounded_schema(Sized, items=50)
    assert sent["properties"]["phrase"] == {"type": "string", "maxLength": 40}
    assert sent["properties"]["caption"] == {"type": "string", "maxLength": 1040}
    named = bounded_schema(Sized, items=50, name=500)["properties"]
    assert named["caption"] == {"type": "string", "maxLength": 540}
    assert named["few"]["items"]["maxLength"] == 500  # it may be a name
    assert sent["properties"]["kind"] == {"type": "string", "enum": ["a", "b"]}
    assert sent["properties"]["few"]["maxItems"] == 3
    assert sent["properties"]["few"]["items"]["maxLength"] == MOST_CHARACTERS
    assert sent["properties"]["many"]["maxItems"] == 50
    assert sent["$defs"]["Wren"]["properties"]["song"]["anyOf"][0]["maxLength"] == MOST_CHARACTERS
    assert "maxLength" not in str(strict_schema(Sized))
    assert "maxItems" not in strict_schema(Sized)["properties"]["many"]
