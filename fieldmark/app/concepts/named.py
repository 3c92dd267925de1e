"""Finds the folder of a concept by its name; loads no model."""

import shlex
from pathlib import Path

from fieldmark.errors import InputError, close_to
from fieldmark.settings import read_settings
from fieldmark.tools.concepts.folder import ConceptFolder, concept_folders, slug_of


def concept_home(home: Path | None = None) -> Path:
    """Where concepts are kept; under what the settings say where not given."""
    return (home or read_settings().home) / "concepts"


def open_folder(name: str, *, home: Path | None = None) -> ConceptFolder:
    """The folder of a concept by its name.

    Raises:
        InputError: There is no such concept.
    """
    root = concept_home(home)
    if (root / slug_of(name)).is_dir():
        folder = ConceptFolder(root / slug_of(name))
        if folder.exists:
            return folder
    folders = {folder: _name_of(folder) for folder in concept_folders(root)}
    for folder, own in folders.items():
        # A process that ended while it renamed one leaves the folder with one name, the record with another.
        if own and slug_of(own) == slug_of(name):
            return folder
    known = list(filter(None, folders.values()))
    raise InputError(
        f"There is no concept {name!r}.",
        hint=f"{close_to(name, known)}There are: {', '.join(known[:8])}."
        if known
        else "Make one: `ConceptConversation.new`, or `fieldmark concept new`.",
    )


def _name_of(folder: ConceptFolder) -> str | None:
    """What a concept is called; None where its record is damaged, which opening it says."""
    try:
        return folder.load().name
    except InputError:
        return None


def refuse_another(folder: ConceptFolder, *, hint: str = "") -> None:
    """Refuse to make a concept where there is one.

    Args:
        folder: Where it would be.
        hint: What to do; to go on with the one that there is, where not given.

    Raises:
        InputError: There is.
    """
    if folder.exists:
        made = folder.load().name
        raise InputError(
            f"There is a concept {made!r} already.",
            hint=hint
            or "Go on with it (`ConceptConversation.open`, or "
            f"`fieldmark concept chat {shlex.quote(made)}`), or choose another name.",
        )


def concept_names(*, home: Path | None = None) -> tuple[str, ...]:
    """What the concepts on this machine are called, in order; one that cannot be read by its folder."""
    named = [_name_of(folder) or folder.path.name for folder in concept_folders(concept_home(home))]
    return tuple(sorted(named, key=str.casefold))
