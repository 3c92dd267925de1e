"""The words by which methods and settings are chosen, known without loading any of them."""

from collections.abc import Sequence

from fieldmark.errors import InputError, close_to

METHOD_KEYS = (
    "clip", "clip-7", "clip-80", "clip-domain", "waffle", "waffle-concept", "waffle-descriptors", "dclip",
    "dclip-sum", "dclip-max", "cupl-base", "cupl", "cupl-e", "mpvr", "ram-reweighting", "chils", "pool-mean",
    "zpe", "zpe-select", "carprt", "perception", "perception-without", "fudd", "fudd-margin",
    "fudd-conformal", "fudd-all", "everything", "everything-named", "resolve", "conformal", "raps",
    "evidential", "proapo", "descriptors-prototype", "adapt-linear", "gist", "adapt-low-rank",
    "transclip-zs", "transclip-descriptors", "em-dirichlet", "em-dirichlet-descriptors", "sus-x",
    "sus-x-descriptors", "caps-adapter", "caps-adapter-descriptors", "tip-adapter", "linear-probe",
    "loki-base", "loki-tree", "loki-text", "cased", "caption-words", "random-word",
)  # fmt: skip
"""The keys of `METHODS`, in the order of the table."""
SETTING_NAMES = ("new", "known", "habitat", "taxonomy", "vocabulary")
"""The settings of the aviary; the first one is what "aviary" means by itself."""


def names_book(name: str) -> bool:
    """Whether a method's name is the file of a prompt book."""
    return name.endswith(".json")


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
