"""Nothing heavy is loaded before a command needs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fieldmark

HEAVY = (
    "torch",
    "langgraph",
    "openai",
    "pydantic",
    "httpx",
    "httpx2",
    "open_clip",
    "diskcache",
    "PIL",
    "numpy",
)
PROGRAM = """
import json, sys
{program}
print(json.dumps(sorted(name for name in {heavy!r} if name in sys.modules)), file=sys.stderr)
"""


def loaded(program: str) -> list[str]:
    """The heavy modules that are loaded once a program is over."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(program=program, heavy=HEAVY)],
        env={**os.environ, "PYTHONPATH": str(Path(fieldmark.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(result.stderr.splitlines()[-1])


RUN = "sys.argv[1:] = {arguments}\nfrom fieldmark.cli import main\ntry: main()\nexcept SystemExit: pass"


@pytest.mark.parametrize(
    "program",
    [
        "import fieldmark",
        "import fieldmark.cli",
        RUN.format(arguments=["--help"]),
        RUN.format(arguments=["classify", "--help"]),
        RUN.format(arguments=["concept", "--help"]),
        RUN.format(arguments=["concept", "chat", "--help"]),
        RUN.format(arguments=["concept", "build", "--help"]),
        RUN.format(arguments=["concept", "predict", "--help"]),
    ],
)
def test_nothing_heavy_is_loaded(program: str) -> None:
    # `COMMAND --help` reads the options of the group, for which typer may load pydantic; nothing else may.
    allowed = {"pydantic"} if "classify" in program or "concept" in program else set()
    assert set(loaded(program)) <= allowed


def test_the_check_itself_sees_a_module_that_is_loaded() -> None:
    assert loaded("import fieldmark.records") == ["pydantic"]


def test_missing_classes_are_told_before_anything_heavy_is_loaded() -> None:
    assert not {"torch", "open_clip", "langgraph"} & set(loaded(RUN.format(arguments=["classify", "photos"])))
