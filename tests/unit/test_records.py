"""The records that cross a border: frozen, strict, plain JSON."""

import inspect
import math
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from fieldmark import records
from fieldmark.records import (
    CandidateClass,
    Concept,
    Definition,
    EncoderUsage,
    Origin,
    Prediction,
    Price,
    Prompt,
    PromptBook,
    Record,
    Usage,
)
from fieldmark.records.conversation import Response

ALL = [
    value for _, value in inspect.getmembers(records, inspect.isclass) if issubclass(value, BaseModel)
]  # fmt: skip
BOOK = PromptBook(
    classes=("finch", "gull"),
    noun="bird",
    prompts=(
        Prompt(class_name="gull", text="a photo of a gull.", origin=Origin(kind="name")),
        Prompt(class_name="gull", text="a white bird.", origin=Origin(kind="book"), weight=0.5),
    ),
)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_records_are_frozen_and_know_their_fields(kind: type[BaseModel]) -> None:
    assert issubclass(kind, Record)
    assert kind.model_config.get("frozen") is True
    assert kind.model_config.get("extra") == "forbid"
    assert kind.__doc__


def test_a_record_cannot_be_changed_nor_given_more() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        BOOK.noun = "fish"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValidationError, match="extra"):
        Usage.model_validate({"requests": 1, "price": 3})


def test_a_book_comes_back_from_json_and_gives_texts_by_class() -> None:
    assert PromptBook.model_validate_json(BOOK.model_dump_json()) == BOOK
    assert BOOK.texts("gull") == ["a photo of a gull.", "a white bird."]
    assert BOOK.texts("finch") == []


def test_a_book_refuses_prompts_for_strangers_and_other_formats() -> None:
    with pytest.raises(ValidationError, match="penguin"):
        PromptBook(
            classes=("finch",),
            prompts=(Prompt(class_name="penguin", text="x", origin=Origin(kind="name")),),
        )
    with pytest.raises(ValidationError, match="format"):
        PromptBook.model_validate({"format": "fieldmark.book/9", "classes": ["a"]})


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf])
def test_a_weight_is_a_plain_number(weight: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        Prompt(class_name="gull", text="x", origin=Origin(kind="book"), weight=weight)


def test_use_adds_up_and_an_unknown_price_stays_unknown() -> None:
    one = Usage(requests=1, cached=2, failed=3, prompt_tokens=4, completion_tokens=5, unreported=6)
    assert one + one == Usage(
        requests=2, cached=4, failed=6, prompt_tokens=8, completion_tokens=10, unreported=12
    )
    assert (one + one).cost is None
    for asked in (one, Usage(requests=1), Usage(prompt_tokens=1), Usage(completion_tokens=1)):
        assert (asked + Usage(cost=0.5)).cost is (Usage(cost=0.5) + asked).cost is None
        # Unknown for good: what is added later cannot make it known.
        assert (asked + Usage(cost=0.5) + Usage(requests=2, cost=0.25)).cost is None
    assert (Usage(cost=0.25) + Usage(cost=0.5)).cost == 0.75


def test_where_nothing_was_asked_nothing_is_added_to_a_cost() -> None:
    paid = Usage(requests=1, prompt_tokens=4, cost=0.5)
    assert paid + Usage() == Usage() + paid == paid
    assert Usage() + Usage() == Usage()
    assert (paid + Usage(cached=7)).cost == 0.5  # an answer from the cache costs nothing
    assert (Usage(cost=0.0) + Usage()).cost == 0.0


def test_encoding_adds_up_but_distinct_things_do_not() -> None:
    first = EncoderUsage(images_encoded=3, texts_encoded=2, distinct_images=3, distinct_texts=2, seconds=1.0)
    later = EncoderUsage(images_encoded=1, texts_encoded=4, distinct_images=4, distinct_texts=6, seconds=0.5)
    assert later.after(first) == EncoderUsage(
        images_encoded=4, texts_encoded=6, distinct_images=4, distinct_texts=6, seconds=1.5
    )


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Price, {"prompt": -1.0, "completion": 0.0}),
        (CandidateClass, {"class_name": "a", "probability": 1.1}),
    ],
)
def test_numbers_out_of_range_are_refused(kind: type[BaseModel], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(wrong)


def test_a_prediction_has_one_of_three_statuses() -> None:
    values: dict[str, Any] = {
        "image": "x", "image_hash": "h", "label": "a", "confidence": 0.5, "candidates": [],
        "candidates_left": 0, "rounds": 0,
    }  # fmt: skip
    for status in ("resolved", "open", "rejected"):
        assert Prediction.model_validate(values | {"status": status}).truth is None
    with pytest.raises(ValidationError, match="status"):
        Prediction.model_validate(values | {"status": "maybe"})


def whole_concept(**changed: object) -> dict[str, object]:
    version = {"number": 1, "definition": {}, "why": "drafted", "at": "2026-01-01T00:00:00+00:00"}
    return {"name": "ruddy", "versions": [version], "current": 1} | changed


@pytest.mark.parametrize(
    "changed",
    [
        {"current": 2},
        {"current": -1},
        {"versions": []},
        {"blind_looks": [2]},
        {"blind": {"a": 0.0}},
        {"blind": {"a": float("inf")}},
        {"versions": [whole_concept()["versions"][0] | {"number": 2}]},  # type: ignore[index]
    ],
)
def test_a_concept_that_speaks_of_versions_that_are_not_there_is_none(changed: dict[str, object]) -> None:
    assert Concept.model_validate(whole_concept()).definition == Definition()
    with pytest.raises(ValidationError):
        Concept.model_validate(whole_concept(**changed))


def test_the_right_label_comes_with_relabel_and_with_nothing_else() -> None:
    assert Response(image="a", kind="relabel", value="in").value == "in"
    for kind, value in (("relabel", None), ("reason", "in"), ("model_wrong", "out")):
        with pytest.raises(ValidationError):
            Response.model_validate({"image": "a", "kind": kind, "value": value})
