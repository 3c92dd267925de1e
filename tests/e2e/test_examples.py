"""Runs every example as a user would: scripts as processes, notebooks cell by cell in an event loop."""

import ast
import asyncio
import inspect
import json
import os
from pathlib import Path

import pytest

from tests.warm_process import WarmProcess, script

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_runs(path: Path, tmp_path: Path) -> None:
    process = WarmProcess([str(path)], cwd=tmp_path, env=os.environ, what=script)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell.get("outputs") for cell in cells), "outputs are not kept"

    async def run() -> None:
        names: dict[str, object] = {"__name__": "__main__"}
        for number, source in enumerate(sources):
            tree = ast.parse(source)
            if tree.body and isinstance(last := tree.body[-1], ast.Expr):
                tree.body[-1] = ast.copy_location(
                    ast.Assign([ast.Name("_", ast.Store(), lineno=1, col_offset=0)], last.value), last
                )
            names.pop("_", None)
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            done = eval(compile(ast.fix_missing_locations(tree), f"cell {number + 1}", "exec", flags), names)
            if inspect.isawaitable(done):
                await done
            shown = names.get("_")
            getattr(shown, "_repr_html_", shown.__repr__)()

    asyncio.run(run())


def test_the_list_of_examples_is_whole() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in (*SCRIPTS, *NOTEBOOKS) if f"({path.name})" not in listed] == []
