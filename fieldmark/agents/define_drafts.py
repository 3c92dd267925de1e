"""Keeps labels that were given before a whole board or batch was done, so that leaving loses none.

It knows nothing of who labels, or of the concept's record.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from fieldmark.cache.folders import write_whole
from fieldmark.cache.keys import content_key
from fieldmark.records import Record
from fieldmark.records.conversation import ImageLabel

DRAFT = "draft.json"


class Draft(Record):
    """Labels of one board or batch that is under way."""

    of: str
    """Hash of the images that were shown together."""
    labels: tuple[ImageLabel, ...] = ()


class Drafts:
    """The draft of a concept: one at a time.

    Args:
        folder: The concept's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / DRAFT

    def load(self, images: Sequence[str]) -> tuple[ImageLabel, ...]:
        """The labels given so far to these images; none where others were shown last."""
        try:
            draft = Draft.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return ()
        return draft.labels if draft.of == content_key(list(images)) else ()

    def save(self, images: Sequence[str], labels: Sequence[ImageLabel]) -> None:
        """Keep the labels given so far to these images."""
        draft = Draft(of=content_key(list(images)), labels=tuple(labels))
        write_whole(self._path, (draft.model_dump_json(indent=1).encode("utf-8"),))

    def clear(self) -> None:
        """Forget them, once the answer that they became is kept: shown again, the images are asked anew."""
        self._path.unlink(missing_ok=True)
