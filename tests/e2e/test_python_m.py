"""The command line without its command."""

import subprocess
import sys

import fieldmark


def test_python_dash_m_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fieldmark", "--version"], capture_output=True, text=True, check=True
    )
    assert fieldmark.__version__ in done.stdout
    usage = subprocess.run(
        [sys.executable, "-m", "fieldmark", "--help"], capture_output=True, text=True, check=True
    )
    assert "Usage: fieldmark" in usage.stdout
