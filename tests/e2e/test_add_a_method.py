"""Follows docs/add-a-method.md: the file of the page, named on the command line."""

import re
from pathlib import Path

from tests.command_line import CommandLine

PAGE = Path(__file__).parents[2] / "docs" / "add-a-method.md"


def test_the_method_of_the_page_is_measured(command_line: CommandLine) -> None:
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (line,) = re.findall(r"^fieldmark (eval .*)$", text, re.MULTILINE)
    (command_line.folder / "views.py").write_text(code)
    small = ("--species", "6", "--per-class", "3", "--shots", "0", "--json")
    done = command_line.invoke(*line.split(), *small)
    assert done.code == 0, done.err
    rows = {row["method"]: row for row in done.json["rows"]}
    assert rows["views"]["outcome"] == "done"
    assert rows["views"]["texts"] == 4 * 6
    assert rows["views"]["images"] == 6 * 3
    assert {"clip", "dclip", done.json["control"]} <= set(rows)


def test_the_line_of_the_page_is_one_of_the_registry() -> None:
    from fieldmark.evals.methods import registry

    text = PAGE.read_text(encoding="utf-8")
    (line,) = re.findall(r"^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    source = Path(registry.__file__).read_text(encoding="utf-8")
    assert line.replace("views", "clip") in source
