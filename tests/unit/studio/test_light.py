"""The studio opens at once: its pages load no model library and no graph."""

import subprocess
import sys

HEAVY = ("torch", "langgraph", "open_clip", "openai")


def test_pages_load_nothing_heavy() -> None:
    asks = f"import sys, fieldmark.studio.application; print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
