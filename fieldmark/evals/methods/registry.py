"""The one list of all methods, and how a user's words choose among them."""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fieldmark.errors import InputError
from fieldmark.evals.methods import (
    adapters,
    caps_adapter,
    carprt,
    cased,
    chils,
    clip,
    conformal,
    cupl,
    dclip,
    discover,
    document,
    em_dirichlet,
    evidential,
    fudd,
    linear_probe,
    loki,
    mpvr,
    perception,
    proapo,
    resolve,
    reweighting,
    sus_x,
    tip_adapter,
    transclip,
    unem,
    vlm,
    waffle,
    zpe,
)
from fieldmark.evals.methods.books import book_methods
from fieldmark.evals.table.chosen_names import keys_named, names_book
from fieldmark.evals.table.method import EvalMethod
from fieldmark.reading import read_bytes
from fieldmark.tools.search.own_code import names_own_code, own_code

METHODS: tuple[EvalMethod, ...] = (
    *clip.METHODS,
    *waffle.METHODS,
    *dclip.METHODS,
    *cupl.METHODS,
    *mpvr.METHODS,
    *reweighting.METHODS,
    *chils.METHODS,
    *zpe.METHODS,
    *carprt.METHODS,
    *perception.METHODS,
    *fudd.METHODS,
    *resolve.METHODS,
    *vlm.METHODS,
    *document.METHODS,
    *conformal.METHODS,
    *evidential.METHODS,
    *proapo.METHODS,
    *adapters.METHODS,
    *transclip.METHODS,
    *em_dirichlet.METHODS,
    *unem.METHODS,
    *sus_x.METHODS,
    *caps_adapter.METHODS,
    *tip_adapter.METHODS,
    *linear_probe.METHODS,
    *loki.METHODS,
    *cased.METHODS,
    *discover.METHODS,
)
"""All methods, in the order of the table."""

BY_KEY: Mapping[str, EvalMethod] = {method.key: method for method in METHODS}


def methods_named(names: Sequence[str]) -> tuple[EvalMethod, ...]:
    """The methods that a user named, in the order of the table.

    Args:
        names: Keys; "all" stands for all, "dclip*" for all that begin so; one's own as `file.py:METHOD`,
            which come last, then prompt books by their files, or a method and the book it begins with as
            "tip-adapter+book.json".

    Raises:
        InputError: One is unknown, is no method, or none is named.
    """
    if not names:
        raise InputError("No method was named.", hint=f"There are: all, {', '.join(BY_KEY)}.")
    books = book_methods([name for name in names if names_book(name)], BY_KEY)
    others = [name for name in names if not names_book(name)]
    own = {method.key: method for method in map(_own, filter(names_own_code, others))}
    chosen = keys_named([name for name in others if not names_own_code(name)])
    return (*(method for method in METHODS if method.key in chosen), *own.values(), *books)


def _own(name: str) -> EvalMethod:
    """A method of the user's own.

    Raises:
        InputError: It cannot be loaded, is no method, or has the key of one that ships.
    """
    found = own_code(name)
    if not isinstance(found, EvalMethod):
        raise InputError(
            f"{name!r} is no method.", hint="Give it the type fieldmark.evals.table.method.Method."
        )
    if found.key in BY_KEY:
        raise InputError(f"{name!r} has the key {found.key!r}, which ships.", hint="Give it another key.")
    source = inspect.getsourcefile(found.run)
    code = hashlib.sha256(read_bytes(source)).hexdigest() if source else found.version
    return replace(found, version=code)  # whoever tries a method out will not think of the version
