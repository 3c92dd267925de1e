"""What the package imports is declared in pyproject.toml, and all that is declared is imported."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Run as a program, used by another package, imported by name.
NOT_IMPORTED = {"vllm", "pyarrow", "faiss-cpu", "datasets", "python-multipart"}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirements: list[str]) -> set[str]:
    return {plain(re.split(r"[\s<>=!~;\[]", each, maxsplit=1)[0]) for each in requirements}


def imports() -> tuple[dict[str, str], dict[str, str]]:
    """Third-party modules → a file that imports them: when it is loaded itself, and in functions only."""
    loaded: dict[str, str] = {}
    later: dict[str, str] = {}
    for path in (ROOT / "fieldmark").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(path.is_relative_to(ROOT / "fieldmark" / front) for front in ("studio", "mcp")):
            # loaded by its command alone
            tree = ast.Module([ast.FunctionDef("studio", ast.arguments(), tree.body, lineno=1)])
        lazy = {
            id(inner)
            for outer in ast.walk(tree)
            if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef))
            or (isinstance(outer, ast.If) and ast.unparse(outer.test) == "TYPE_CHECKING")
            for inner in ast.walk(outer)
        }
        for node in ast.walk(tree):
            names = (
                [each.name for each in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and top != "fieldmark":
                    (later if id(node) in lazy else loaded)[top] = str(path.relative_to(ROOT))
    return loaded, later


def test_every_import_is_declared_and_every_requirement_is_imported() -> None:
    loaded, later = imports()
    known = packages_distributions()
    needed = named(PROJECT["dependencies"])
    extras = {
        name
        for extra, requirements in PROJECT["optional-dependencies"].items()
        if extra not in ("dev", "docs")
        for name in named(requirements)
    }

    def undeclared(modules: dict[str, str], declared: set[str]) -> dict[str, str]:
        return {
            module: path
            for module, path in modules.items()
            if not {plain(each) for each in known.get(module, [module])} & declared
        }

    assert undeclared(loaded, needed) == {}, "imported when a module is loaded, and no dependency"
    assert undeclared(later, needed | extras) == {}, "imported, and neither a dependency nor an extra"
    used = {plain(each) for module in (*loaded, *later) for each in known.get(module, [module])}
    assert (needed | extras) - used - NOT_IMPORTED == set(), "declared, and never imported"
