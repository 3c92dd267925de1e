"""The words by which methods and settings are chosen, known without loading any of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fieldmark.errors import InputError, close_to

METHOD_KEYS = (
    "clip", "clip-7", "clip-80", "clip-domain", "waffle", "waffle-concept", "waffle-descriptors", "dclip",
    "dclip-sum", "dclip-max", "cupl-base", "cupl", "cupl-e", "mpvr", "ram-reweighting", "ram-tagging",
    "chils", "pool-mean", "zpe", "zpe-reference", "zpe-select", "carprt", "perception",
    "perception-without", "fudd", "fudd-margin", "fudd-conformal", "fudd-all", "everything",
    "everything-named", "resolve", "vlm", "vlm-examples", "instructions", "document", "document-shuffled",
    "conformal", "raps", "evidential", "proapo",
    "descriptors-prototype", "adapt-linear", "gist", "adapt-low-rank", "adaptclipzs", "adapt-labels",
    "gist-labels", "transclip-zs", "transclip-descriptors", "em-dirichlet", "em-dirichlet-descriptors",
    "unem", "sus-x", "sus-x-descriptors", "caps-adapter", "caps-adapter-descriptors", "tip-adapter",
    "linear-probe", "loki-base", "loki-tree", "loki-text", "cased", "caption-words", "random-word",
    "discover",
)  # fmt: skip
"""The keys of `METHODS`, in the order of the table."""
_BY_NEEDS = {
    "llm": (
        "waffle-descriptors dclip dclip-sum dclip-max cupl-base cupl cupl-e mpvr ram-reweighting ram-tagging "
        "chils perception perception-without fudd fudd-margin fudd-all everything everything-named resolve "
        "descriptors-prototype transclip-descriptors em-dirichlet-descriptors"
    ),
    "vlm": "vlm",
    "labels, vlm": "vlm-examples",
    "labels": "tip-adapter linear-probe unem",
    "labels, llm": ("fudd-conformal conformal raps evidential proapo adapt-labels gist-labels instructions"),
    "labels, llm, vlm": "document document-shuffled",
    "pool": "sus-x",
    "llm, pool": "sus-x-descriptors",
    "captions, pool": "caps-adapter",
    "captions, llm, pool": "caps-adapter-descriptors",
    "tree": "loki-base loki-tree",
    "reference": "zpe-reference",
    "base classes, llm": "adapt-linear gist adapt-low-rank adaptclipzs",
    "captions": "cased caption-words random-word discover",
}
METHOD_NEEDS: Mapping[str, tuple[str, ...]] = {
    key: tuple(needs.split(", ")) for needs, keys in _BY_NEEDS.items() for key in keys.split()
}
"""What each shipped method needs beside class names; one that needs nothing is not among them."""
FED = ("transclip-zs", "em-dirichlet", "unem", "sus-x", "caps-adapter", "tip-adapter")
"""Methods that may begin with the texts of a prompt book: "tip-adapter+book.json"."""
CLASS_BY_CLASS = (
    "clip", "clip-7", "clip-80", "clip-domain", "waffle", "waffle-concept", "waffle-descriptors", "dclip",
    "dclip-sum", "dclip-max", "cupl-base", "cupl", "cupl-e", "mpvr", "ram-reweighting", "ram-tagging",
)  # fmt: skip
"""Methods whose score of a class has nothing to do with the other classes: several may hold in an image."""
OWN_WORDS = ("cased", "caption-words", "random-word", "discover")
"""Methods that find words of their own and do not go by a list of classes."""
SETTING_NAMES = ("new", "known", "habitat", "taxonomy", "vocabulary", "together", "marks")
"""The settings of the aviary; the first one is what "aviary" means by itself."""


def names_book(name: str) -> bool:
    """Whether a method's name is the file of a prompt book, or ends with one."""
    return name.endswith(".json")


def fed_with(name: str) -> tuple[str, str]:
    """The method that begins with a prompt book's texts, and its file; "" where the book is by itself."""
    key, plus, path = name.partition("+")
    return (key, path) if plus and key in FED else ("", name)


def whole_path(name: str) -> str:
    """A name with the whole path of the file in it, so that it means the same from any folder."""
    key, path = fed_with(name)
    return f"{key}+{Path(path).resolve()}" if key else str(Path(name).resolve())


def keys_named(names: Sequence[str]) -> set[str]:
    """The keys of the shipped methods that a user named.

    Args:
        names: Keys; "all" stands for all, "dclip*" for all that begin so.

    Raises:
        InputError: One is unknown.
    """
    chosen: set[str] = set()
    for name in names:
        if name == "all":
            chosen.update(METHOD_KEYS)
        elif name.endswith("*"):
            chosen.update({key for key in METHOD_KEYS if key.startswith(name[:-1])} or {name})
        else:
            chosen.add(name)
    if unknown := sorted(chosen - set(METHOD_KEYS)):
        raise InputError(
            f"There is no method {unknown[0]!r}.",
            hint=f"{close_to(unknown[0], METHOD_KEYS)}There are: all, {', '.join(METHOD_KEYS)}.",
        )
    return chosen


def settings_named(names: Sequence[str]) -> tuple[str, ...]:
    """Settings of the aviary that a user named; "all" names all, nothing the first.

    Raises:
        InputError: One is unknown.
    """
    if "all" in names:
        return SETTING_NAMES
    for name in names:
        if name not in SETTING_NAMES:
            raise InputError(
                f"The aviary has no setting {name!r}.",
                hint=f"{close_to(name, SETTING_NAMES)}It has: all, {', '.join(SETTING_NAMES)}.",
                field="settings",
            )
    return tuple(dict.fromkeys(names)) or SETTING_NAMES[:1]


def refuse_beside(kind: str, names: Sequence[str]) -> None:
    """Refuse arguments that a data source of some kind leaves no use for, rather than pass them over.

    Raises:
        InputError: There are some.
    """
    if names:
        raise InputError(
            f"Data of kind {kind!r} have images, names and a language model of their own.",
            hint=f"Leave {', '.join(names)} out.",
            field=", ".join(names),
        )
