"""The one list of all methods, and how a user's words choose among them.

It knows nothing of how any of them scores.
"""

from collections.abc import Mapping, Sequence

from fieldmark.errors import InputError
from fieldmark.evals.methods import (
    clip,
    dclip,
    waffle,
)
from fieldmark.evals.methods.method import Method

METHODS: tuple[Method, ...] = (
    *clip.METHODS,
    *waffle.METHODS,
    *dclip.METHODS,
)
"""All methods, in the order of the table."""

BY_KEY: Mapping[str, Method] = {method.key: method for method in METHODS}


def methods_named(names: Sequence[str]) -> tuple[Method, ...]:
    """The methods that a user named, in the order of the table.

    Args:
        names: Keys; "all" stands for all, "dclip*" for all that begin so.

    Raises:
        InputError: One is unknown, or none is named.
    """
    chosen: set[str] = set()
    for name in names:
        if name == "all":
            chosen.update(BY_KEY)
        elif name.endswith("*"):
            found = {key for key in BY_KEY if key.startswith(name[:-1])}
            chosen.update(found or {name})
        else:
            chosen.add(name)
    unknown = sorted(chosen - set(BY_KEY))
    if unknown or not chosen:
        raise InputError(
            f"There is no method {unknown[0]!r}." if unknown else "No method was named.",
            hint=f"There are: all, {', '.join(BY_KEY)}.",
        )
    return tuple(method for method in METHODS if method.key in chosen)
