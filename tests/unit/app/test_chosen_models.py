"""One rule for model and endpoint: given, else kept by the resumed run, else the settings."""

from pathlib import Path
from typing import Any

import pytest

from fieldmark.app.models import choose_models
from fieldmark.settings import Settings

HERE, THERE, SECRET = "http://here/v1", "http://there/v1", "http://me:word@here/v1"


@pytest.mark.parametrize(
    ("given", "kept", "environment", "chosen"),
    [
        # What is given wins over everything.
        ({"llm": "a"}, {"llm": "b"}, {"llm": "c"}, {"llm": "a"}),
        ({"clip": "a"}, {"clip": "b"}, {"clip": "c"}, {"clip": "a"}),
        ({"device": "cpu"}, {"device": "cuda"}, {"device": "mps"}, {"device": "cpu"}),
        ({"base_url": HERE}, {"base_url": THERE}, {"base_url": THERE}, {"base_url": HERE}),
        # A resumed run keeps its own, whatever the environment says by now.
        ({}, {"llm": "b"}, {"llm": "c"}, {"llm": "b"}),
        ({}, {"clip": "b"}, {"clip": "c"}, {"clip": "b"}),
        ({}, {"device": "cuda"}, {"device": "cpu"}, {"device": "cuda"}),
        ({}, {"base_url": HERE}, {"base_url": THERE}, {"base_url": HERE}),
        # One that asked no model goes on asking none.
        (
            {},
            {"llm": None, "base_url": None},
            {"llm": "c", "base_url": HERE},
            {"llm": None, "base_url": None},
        ),
        # The environment has its say in a new run.
        ({}, None, {"llm": "c", "base_url": HERE}, {"llm": "c", "base_url": HERE}),
        ({}, None, {"clip": "c", "device": "cpu"}, {"clip": "c", "device": "cpu"}),
        ({"llm": "a"}, None, {"base_url": HERE}, {"llm": "a", "base_url": HERE}),
        # What a run keeps holds no password: the same address has it from the environment, no other has.
        ({}, {"base_url": HERE}, {"base_url": SECRET}, {"base_url": SECRET}),
        ({}, {"base_url": THERE}, {"base_url": SECRET}, {"base_url": THERE}),
        (
            {"base_url": HERE},
            None,
            {"base_url": SECRET},
            {"base_url": SECRET},
        ),  # a concept's, kept in its folder
        # So it is with the reference pool: a run that is resumed has the one it had, or none.
        ({}, {"reference": "/then"}, {"reference": Path("/now")}, {"reference": Path("/then")}),
        ({}, {"reference": None}, {"reference": Path("/now")}, {"reference": None}),
        ({}, {}, {"reference": Path("/now")}, {"reference": Path("/now")}),
        # Nothing anywhere: the defaults.
        ({}, None, {}, {"llm": None, "base_url": None, "clip": Settings().clip, "device": "auto"}),
        ({}, {}, {}, {"llm": None, "base_url": None, "clip": Settings().clip}),
    ],
)
def test_the_rule(
    given: dict[str, Any],
    kept: dict[str, Any] | None,
    environment: dict[str, Any],
    chosen: dict[str, Any],
) -> None:
    found = choose_models(kept, **given, settings=Settings().model_copy(update=environment))
    assert {name: getattr(found, name) for name in chosen} == chosen
