"""Who may import whom, how large a file and a folder may be, and what every module has."""

import ast
import functools
import graphlib
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import fieldmark

PACKAGE = Path(fieldmark.__file__).parent
LAYERS = (
    ("cli",),
    ("mcp", "studio"),
    ("app",),
    ("evals",),
    ("agents", "aviary", "testing"),
    ("tools",),
    ("prompts", "cache"),
    ("records",),
    ("errors",),
    ("reading",),
)
"""From top to bottom; a layer imports only from those below it, and never from its neighbour."""
ABOUT_THE_AVIARY = ("evals", "cli.aviary", "cli.demo", "cli.eval", "cli.optimize", "cli.concept.simulate")
"""Who may import the embedded world."""
COLLECTIONS = ("prompts", "evals/methods")
"""Folders of many files of one kind: a question each, a paper each."""
MOST_LINES, MOST_FILES = 400, 20
PICKLING = re.compile(r"(pickle|cloudpickle|dill|joblib|shelve)\.(loads?|dumps?|open|Pickler|Unpickler)")
OPTION = re.compile(r"(?<![\w:-])--(?:[a-z][\w-]*|$)")
WITH_OTHER_PROGRAMS = ("tools.llm.serving", "tools.datasets.huggingface")
"""Modules that name the options of a program that is not ours."""
PATHS = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
"""Modules of the package by name, without the package's own."""


@functools.cache
def source(module: str) -> str:
    return PATHS[module].read_text(encoding="utf-8")


@functools.cache
def tree(module: str) -> ast.Module:
    return ast.parse(source(module))


def named(module: str) -> Iterator[str]:
    """Whatever a module names in an import, anywhere in it."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def imported(module: str) -> frozenset[str]:
    """Modules of the package that a module imports."""
    found: set[str] = set()
    for name in named(module):
        own = name.removeprefix("fieldmark.")
        if own != name:
            found.add(own if own in PATHS else own.rpartition(".")[0])
    return frozenset(found - {module, ""})


def within(module: str, *rooms: str) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def importers(of: str) -> set[str]:
    return {module for module in PATHS if any(within(other, of) for other in imported(module))}


def test_a_module_imports_only_from_below() -> None:
    place = {folder: number for number, layer in enumerate(LAYERS) for folder in layer}
    upwards: list[str] = []
    for module in PATHS:
        own = module.partition(".")[0]
        for other in imported(module):
            folder = other.partition(".")[0]
            if own != folder and own in place and place.get(folder, len(LAYERS)) <= place[own]:
                upwards.append(f"{module} imports {other}")
    assert not upwards


def test_only_what_is_about_the_aviary_imports_it() -> None:
    assert {
        module for module in importers("aviary") if not within(module, "aviary", *ABOUT_THE_AVIARY)
    } == set()


@pytest.mark.parametrize("front", ["studio", "mcp"])
def test_only_its_command_imports_a_front_with_an_extra(front: str) -> None:
    assert {module for module in importers(front) if not within(module, front)} == {f"cli.{front}"}


def test_only_the_application_reads_settings() -> None:
    assert all(within(module, "app", "cli") for module in importers("settings"))


def test_tools_know_no_prompt_but_the_annotators() -> None:
    tools = {module for module in importers("prompts") if within(module, "tools")}
    assert all(within(module, "tools.annotate") for module in tools)


def test_the_cache_knows_no_record_of_the_product() -> None:
    known = {name for module in PATHS if within(module, "cache") for name in named(module)}
    assert {name for name in known if name.startswith("fieldmark.records")} <= {"fieldmark.records.Record"}


def test_what_lies_below_the_graphs_knows_nothing_of_them() -> None:
    below = {module for module in PATHS if not within(module, "cli", "studio", "app", "evals", "agents")}
    assert not [module for module in below if any(name.startswith("langgraph") for name in named(module))]


def test_files_import_each_other_in_no_circle() -> None:
    graphlib.TopologicalSorter({module: imported(module) for module in PATHS}).prepare()


def test_rooms_of_a_folder_import_each_other_in_no_circle() -> None:
    siblings: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module in PATHS:
        for other in imported(module):
            ours, theirs = module.split("."), other.split(".")
            shared = next((at for at, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
            if shared is not None:
                siblings[".".join(ours[:shared])][ours[shared]].add(theirs[shared])
    for rooms in siblings.values():
        graphlib.TopologicalSorter(rooms).prepare()


def test_a_file_opens_with_what_it_does_and_is_short() -> None:
    silent = [module for module in PATHS if not ast.get_docstring(tree(module))]
    long = {module: lines for module in PATHS if (lines := source(module).count("\n")) > MOST_LINES}
    assert (silent, long) == ([], {})


def test_a_folder_can_be_read_at_a_glance() -> None:
    files: dict[str, int] = defaultdict(int)
    for path in PATHS.values():
        files[path.parent.relative_to(PACKAGE).as_posix()] += path.name != "__init__.py"
    full = {name: n for name, n in files.items() if n > MOST_FILES and name not in COLLECTIONS}
    assert full == {}


def test_no_two_files_of_tests_share_a_name() -> None:
    """The second one would not be collected: these folders are no packages."""
    names = Counter(path.name for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert [name for name, times in names.items() if times > 1] == []


def test_no_two_public_classes_share_a_name() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for module in PATHS:
        for node in tree(module).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_nothing_is_pickled_asserted_or_swallowed() -> None:
    for module in PATHS:
        for node in ast.walk(tree(module)):
            assert not isinstance(node, ast.Assert), f"{module}:{node.lineno} asserts"
            assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{module}: bare except"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert not PICKLING.fullmatch(f"{node.value.id}.{node.attr}"), (
                    f"{module}:{node.lineno} pickles"
                )


def test_no_text_below_the_command_line_speaks_of_its_options() -> None:
    spoken = [
        f"{module}:{node.lineno} says {option}"
        for module in PATHS
        if not within(module, "cli", *WITH_OTHER_PROGRAMS)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for option in OPTION.findall(node.value)
    ]
    assert spoken == []


def test_the_lint_contract_says_the_same() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (layered,) = (contract for contract in contracts if contract["type"] == "layers")
    layers = tuple(tuple(re.findall(r"fieldmark\.(\w+)", layer)) for layer in layered["layers"])
    assert layers == LAYERS
    allowed = {
        name.removeprefix("fieldmark."): [
            each.removeprefix("fieldmark.") for each in contract["allowed_importers"]
        ]
        for contract in contracts
        if contract["type"] == "protected"
        for name in contract["protected_modules"]
    }
    assert allowed == {"aviary": list(ABOUT_THE_AVIARY), "studio": ["cli.studio"], "mcp": ["cli.mcp"]}
