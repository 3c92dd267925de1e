"""A `Classifier` over made-up pictures and an endpoint that may be faulty: what its tests share."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fieldmark.app.classifier import Classifier
from fieldmark.records import Origin, Prompt, PromptBook
from tests.faulty_endpoint import (
    FaultyEndpoint,
    Received,
    Reply,
    completion,
)
from tests.graph.running import options
from tests.graph.world import World, data_of

WORLD = World(names=("finch", "heron", "gull", "wren", "crane", "robin"))
MODEL = "test-model"
KEY = "sk-secret-of-the-tests"
SAME = [{"id": MODEL, "fieldmark_identity": "one and the same"}]
"""What names the endpoint, whatever its port: only so can two of them share answers."""
AT_ONCE = {"retry-after-ms": "1"}
BOOK = PromptBook(
    classes=WORLD.names,
    prompts=tuple(
        Prompt(class_name=name, text=f"a {name}", origin=Origin(kind="template")) for name in WORLD.names
    ),
)


def draw(folder: Path, which: list[tuple[int, int]]) -> Path:
    """Small pictures named by class number and copy, all of them different."""
    folder.mkdir()
    for number, copy in which:
        pixels = np.full((8, 9, 3), (10 * number, 20 * copy, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}-{copy}.png")
    return folder


def classifier(place: Path, endpoint: FaultyEndpoint | str, **given: Any) -> Classifier:
    values: dict[str, Any] = {
        "classes": WORLD.names,
        "clip": "made-up",
        "llm": MODEL,
        "base_url": endpoint if isinstance(endpoint, str) else endpoint.base_url,
        "api_key": KEY,
        "noun": "bird",
        "options": options(max_rounds=0),
        "out": place,
    }
    return Classifier(**(values | given))


def truly(request: Received) -> Reply:
    return completion(json.dumps(WORLD.answer(data_of(request.text))))


def names_only(place: Path, **given: Any) -> Classifier:
    """Asks nothing: the bundled encoder and bare names."""
    values: dict[str, Any] = {
        "classes": ("red thing", "blue thing"),
        "clip": "aviary",
        "options": options(start="names", max_rounds=0),
        "noun": "bird",
        "out": place,
        "device": "cpu",
    }
    return Classifier(**(values | given))


def assert_nowhere(folder: Path, secret: str) -> None:
    for path in folder.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
