"""Every answer has an end: all strings and lists of the schemas that are sent are bounded."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import fieldmark.prompts
from fieldmark.prompts.answer_fields import AnswerModel
from fieldmark.prompts.rules import MOST_CHARACTERS
from fieldmark.tools.llm.answer_schema import bounded_schema, strict_schema

for module in pkgutil.iter_modules(fieldmark.prompts.__path__):
    importlib.import_module(f"fieldmark.prompts.{module.name}")


def models(base: type[AnswerModel] = AnswerModel) -> Iterator[type[AnswerModel]]:
    for model in base.__subclasses__():
        if model.__module__.startswith("fieldmark."):
            yield model
        yield from models(model)


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from parts(value)


@pytest.mark.parametrize("model", sorted(set(models()), key=lambda model: model.__name__))
def test_every_string_list_and_number_is_bounded(model: type[AnswerModel]) -> None:
    for part in parts(bounded_schema(model, items=16, name=12)):
        if part.get("type") == "string" and not {"enum", "const"} & part.keys():
            assert part["maxLength"] <= MOST_CHARACTERS
        if part.get("type") == "array":
            assert part["maxItems"] <= 64
        if part.get("type") == "integer":
            assert 0 <= part["minimum"] < part["maximum"] == 100
    assert "maxLength" not in str(strict_schema(model))  # no part of a cache key
    assert "x-with-name" not in str(strict_schema(model))
    assert "x-range" not in str(strict_schema(model))
    assert "imum" not in str(strict_schema(model))
