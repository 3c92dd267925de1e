"""A concept that is wished: checked and written down at once; taking its images in may take long."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from fieldmark.agents.define.options import DefineOptions
from fieldmark.app.beforehand import Mistakes, check_models
from fieldmark.app.concepts.named import concept_home, refuse_another
from fieldmark.app.concepts.uploads import keep_uploads
from fieldmark.app.inputs import check_images_there
from fieldmark.errors import NoImagesError
from fieldmark.reading import read_bytes
from fieldmark.records import Costs, Record
from fieldmark.tools.concepts.built import PICTURES
from fieldmark.tools.concepts.folder import ConceptFolder, slug_of

WISH = "new.json"


class WishedConcept(Record):
    """A concept that is to be made."""

    name: str
    about: str = ""
    pool: tuple[str, ...]
    """Folders and files, as absolute paths."""
    costs: Costs = Costs()
    blind: int = DefineOptions().blind
    clip: str | None = None
    llm: str | None = None
    vlm: str | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    """Files that could not be taken in, each with the reason; known once it is made."""


def wish(
    concept: WishedConcept, *, home: Path | None = None, uploads: Sequence[tuple[str, BinaryIO]] = ()
) -> ConceptFolder:
    """Check what is wished, and write it down.

    Args:
        concept: What is wished.
        home: Where concepts are kept.
        uploads: Pictures that were sent, each with its name; they are kept in the concept's folder.

    Raises:
        InputError: The name is blank or taken, or no image is there; several mistakes are told at once.
    """
    mistakes = Mistakes()
    with mistakes.noted():
        path = concept_home(home) / slug_of(concept.name)
        if path.exists():
            refuse_another(ConceptFolder(path))
    with mistakes.noted():
        if not concept.pool and not uploads:
            raise NoImagesError("No pictures were given.", hint="Name a folder, or send some.", field="pool")
        if concept.pool:
            check_images_there(list(concept.pool))
    check_models(mistakes, clip=concept.clip, llm=concept.llm, vlm=concept.vlm)
    mistakes.tell()
    folder = ConceptFolder(concept_home(home) / slug_of(concept.name))
    if uploads:
        own = folder.path / PICTURES
        refused = keep_uploads(uploads, own)
        pool = (*concept.pool, str(own.absolute()))
        concept = concept.model_copy(update={"pool": pool, "skipped": refused})
    folder.write(WISH, concept)
    return folder


def read_wish(folder: Path) -> WishedConcept | None:
    """What was wished in a folder; None where nothing was, or nothing readable."""
    try:
        return WishedConcept.model_validate_json(read_bytes(folder / WISH))
    except (OSError, ValidationError):
        return None


def unmade(home: Path | None = None) -> tuple[ConceptFolder, ...]:
    """Concepts that were wished and are not made."""
    root = concept_home(home)
    if not root.is_dir():
        return ()
    found = [ConceptFolder(path.parent) for path in sorted(root.glob(f"*/{WISH}"))]
    return tuple(each for each in found if not each.exists and not each.path.name.startswith("."))
