"""The public names: documented, and loaded only when used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fieldmark
from fieldmark import aviary

ROOT = Path(fieldmark.__file__).parents[1]


def test_every_public_name_is_there_and_documented() -> None:
    for name in fieldmark.__all__:
        value = getattr(fieldmark, name)
        assert name == "__version__" or value.__doc__
        assert name in dir(fieldmark)


def test_the_names_of_the_aviary_are_there_and_documented() -> None:
    for name in aviary.__all__:
        assert getattr(aviary, name).__doc__
        assert name in dir(aviary)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Classifer'"):
        _ = fieldmark.Classifer  # pyright: ignore[reportAttributeAccessIssue]


def test_the_package_is_typed() -> None:
    assert (Path(fieldmark.__file__).parent / "py.typed").is_file()


def test_importing_loads_nothing_heavy_and_touches_no_disk(tmp_path: Path) -> None:
    program = (
        "import sys, json, fieldmark, fieldmark.app, fieldmark.errors\n"
        "heavy = ['torch', 'numpy', 'langgraph', 'openai', 'diskcache', 'PIL', 'open_clip']\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    home = tmp_path / "home"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FIELDMARK_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout) == []
    assert list(tmp_path.iterdir()) == []


def test_the_graph_factory_of_the_tooling_builds_a_graph() -> None:
    listed = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
    path, name = listed["resolve"].split(":")
    assert (ROOT / path).is_file()
    module = __import__(path.removeprefix("./").removesuffix(".py").replace("/", "."), fromlist=[name])
    graph = getattr(module, name)()
    assert {"describe", "encode", "score", "triage", "plan", "differentiate", "rescore", "finish"} <= set(
        graph.nodes
    )
    assert graph.checkpointer is None
