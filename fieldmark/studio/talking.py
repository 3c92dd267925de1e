"""Goes on with conversations in this process, one thread each; the concept's lock keeps others away."""

from pathlib import Path

from fieldmark.errors import FieldmarkError
from fieldmark.studio.scoring import Scored
from fieldmark.tools.concepts.folder import ConceptFolder


def talk_here(path: Path) -> Scored:
    """Make the concept in a folder, or go on with its conversation up to the next question."""
    from fieldmark.app.concepts.stepping import step  # not at the top: it loads torch

    try:
        # A concept lies two folders below what is kept with it.
        step(ConceptFolder(path), home=path.parent.parent)
    except FieldmarkError as error:
        return Scored(message=error.message, hint=error.hint)
    return Scored()
