"""The graphs that `langgraph.json` names can be built as it names them."""

import importlib
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_listed_graph_is_built_by_its_factory() -> None:
    listed = json.loads((ROOT / "langgraph.json").read_text(encoding="utf-8"))["graphs"]
    assert set(listed) == {"resolve", "optimize", "define", "build"}
    for name, place in listed.items():
        path, factory = place.removeprefix("./").split(":")
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        assert getattr(module, factory)().name == name
