"""Settles the tree of a run: none, as given, or as the language model groups the classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from fieldmark.agents.resolve.grouping import ask_tree
from fieldmark.errors import InputError
from fieldmark.tools.datasets.class_tree import TREE, ClassTree, class_tree, read_parents
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.folder import RunFolder

ASK: Literal["ask"] = "ask"

GivenTree = Mapping[str, str] | Path | str | None
"""A tree as a user gives it: child → parent, a file of such rows, "ask", or none."""


def check_tree(given: GivenTree, classes: Sequence[str]) -> dict[str, Any] | Literal["ask"] | None:
    """A given tree as child → parent; "ask" and None stay.

    Raises:
        InputError: It cannot be read, or does not fit the classes.
    """
    if given is None or given == ASK:
        return given if given is None else ASK
    if isinstance(given, str | Path):
        given = read_parents(Path(given))
    texts = isinstance(given, Mapping) and all(
        isinstance(each, str) for pair in given.items() for each in pair
    )
    if not texts:
        raise InputError(
            f"The tree is no mapping of texts but {given!r}.",
            hint='Give child → parent, a file of such rows, or "ask".',
            field="tree",
        )
    return class_tree(given, classes).parents


async def settle_tree(
    given: GivenTree,
    classes: Sequence[str],
    *,
    noun: str,
    llm: AskedModel | None,
    run: RunFolder,
) -> tuple[ClassTree | None, str]:
    """The tree of a run, settled once and kept in its folder, and a note on what was left out of an answer.

    Raises:
        InputError: The answer is of no use.
        LimitReached: A limit kept a question back.
        QuestionFailed: The endpoint gave no answer, which another day may bring.
    """
    checked = check_tree(given, classes)
    if checked is None:
        return None, ""
    if (run.path / TREE).is_file():
        return run.read(TREE, ClassTree), ""
    if checked != ASK:
        tree, note = class_tree(checked, classes), ""
    elif llm is None:
        raise InputError("Nobody can be asked for a tree.", hint="Name a language model.", field="llm")
    else:
        tree, note = await ask_tree(classes, noun=noun, llm=llm)
    run.write(TREE, tree)
    return tree, note
