"""Threads of torch that wait are told to sleep, unless the user or another program decides."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fieldmark

PROGRAM = """
import os, sys
import typer
import fieldmark.cli
def show():
    print(os.environ.get("OMP_WAIT_POLICY"), "torch" in sys.modules)
fieldmark.cli.demo.demo = fieldmark.cli.machine.vllm.vllm = show
sys.argv[1:] = [{command!r}]
fieldmark.cli.main()
"""


@pytest.mark.parametrize(
    ("command", "given", "expected"),
    [("demo", None, "PASSIVE False"), ("demo", "ACTIVE", "ACTIVE False"), ("vllm", None, "None False")],
)
def test_the_policy_is_set_before_torch_is_loaded(command, given, expected):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment["PYTHONPATH"] = str(Path(fieldmark.__file__).parents[1])
    if given:
        environment["OMP_WAIT_POLICY"] = given
    # Without `site`, nothing that an installation adds to the environment is in the way.
    program = f"import sys; sys.path = {sys.path!r}\n" + PROGRAM.format(command=command)
    said = subprocess.run(
        [sys.executable, "-S", "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == expected
