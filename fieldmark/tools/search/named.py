"""Finds operators by name: built-in ones, or your own as `module:Class` or `path/to/file.py:Class`."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import cast

from fieldmark.errors import InputError
from fieldmark.tools.search.operators import Add, Crossover, Mutate, Operator, Remove, Replace
from fieldmark.tools.search.own_code import names_own_code, own_code
from fieldmark.tools.search.reflect import REFLECT

SHIPPED: Mapping[str, type[Operator]] = MappingProxyType({
    "add": Add, "remove": Remove, "replace": Replace, "mutate": Mutate, "crossover": Crossover,
})  # fmt: skip
"""The operators that take nothing but numbers; named once more, one tries as many edits again."""


def operators_named(names: Sequence[str]) -> tuple[Operator, ...]:
    """The operators of these names, in order.

    "reflect" is left out: it is made anew for every group of classes, out of answers.

    Args:
        names: Names of `SHIPPED`, or where a class lies that can be made without arguments: `module:Class` or
            `file.py:Class`. Its code is run.

    Raises:
        InputError: There is none of that name, or what lies there is no operator.
    """
    return tuple(operator_named(name) for name in names if name != REFLECT)


def operator_named(name: str) -> Operator:
    """The operator of one name; see `operators_named`."""
    if name in SHIPPED:
        return SHIPPED[name]()
    if not names_own_code(name):
        raise InputError(
            f"There is no operator {name!r}.",
            hint=f"Known: {', '.join((*SHIPPED, REFLECT))}; or your own, as module:Class or file.py:Class.",
        )
    made = cast("Callable[[], object]", own_code(name))
    try:
        operator = made()
    except Exception as error:  # somebody else's code may raise anything
        raise InputError(
            f"The operator {name!r} could not be made: {type(error).__name__}: {error}",
            hint="It must be a class that can be called without arguments.",
        ) from error
    if not callable(operator):
        raise InputError(
            f"{name!r} is no operator: what it makes cannot be called.",
            hint="Give it a method __call__(self, parents, menu, rng) that yields edits.",
        )
    return cast("Operator", operator)
