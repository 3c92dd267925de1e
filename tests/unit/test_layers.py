"""Who may import whom, and what every module has."""

import ast
import re
from pathlib import Path

import pytest

import fieldmark

PACKAGE = Path(fieldmark.__file__).parent
LAYERS = (
    ("cli",),
    ("app",),
    ("evals",),
    ("agents", "aviary"),
    ("tools",),
    ("prompts", "cache"),
    ("records",),
    ("errors",),
)
"""From top to bottom; a layer imports only from those below it, and never from its neighbour."""
PICKLING = re.compile(r"(pickle|cloudpickle|dill|joblib|shelve)\.(loads?|dumps?|open|Pickler|Unpickler)")
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def level(folder: str) -> int | None:
    return next((number for number, layer in enumerate(LAYERS) if folder in layer), None)


def imported(module: Path) -> set[str]:
    """Parts of the package that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "fieldmark"}
    return {name.split(".")[1] for name in found if name.startswith("fieldmark.")}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_only_from_below_and_says_what_it_is(module: Path) -> None:
    own = module.parts[0].removesuffix(".py")
    place = level(own)
    if place is not None:
        for other in imported(module) - {own}:
            if own in ("cli", "app") and other == "settings":
                continue
            below = level(other)
            assert below is None or below > place, f"{module} imports from {other}"
            assert other != "settings", f"{module} reads settings"
    source = (PACKAGE / module).read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), f"{module} does not say what it does"
    assert source.count("\n") <= 500, f"{module} is two files"


def test_tools_know_no_prompt() -> None:
    knowing = {
        str(module) for module in MODULES if module.parts[0] == "tools" and "prompts" in imported(module)
    }
    assert all(module.startswith("tools/annotate/") for module in knowing)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_nothing_is_pickled_asserted_or_swallowed(module: Path) -> None:
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"{module}:{node.lineno} asserts"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{module}: bare except"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert not PICKLING.fullmatch(f"{node.value.id}.{node.attr}"), f"{module}:{node.lineno} pickles"


def test_the_lint_contract_names_the_same_layers() -> None:
    text = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"layers = \[(.*?)\]", text, re.DOTALL)
    assert listed
    named = [tuple(re.findall(r"fieldmark\.(\w+)", line)) for line in listed[1].strip().splitlines()]
    assert named == [tuple(layer) for layer in LAYERS]
