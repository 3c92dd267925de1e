"""Keeps what was typed before a whole board, batch or reveal was done, so that leaving loses nothing."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from fieldmark.cache.folders import write_whole
from fieldmark.cache.keys import content_key
from fieldmark.reading import read_bytes
from fieldmark.records import Record
from fieldmark.records.conversation import ImageLabel, Response

DRAFT = "draft.json"


class Draft(Record):
    """Labels of one board or batch that is under way, or responses to a reveal."""

    of: str
    """Hash of the images that were shown together."""
    labels: tuple[ImageLabel, ...] = ()
    responses: tuple[Response | None, ...] = ()
    """Responses to disagreements, in order; None where nothing was said."""


class Drafts:
    """The draft of a concept: one at a time.

    Args:
        folder: The concept's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / DRAFT

    def load(self, images: Sequence[str]) -> tuple[ImageLabel, ...]:
        """The labels given so far to these images; none where others were shown last."""
        return self._read(images).labels

    def save(self, images: Sequence[str], labels: Sequence[ImageLabel]) -> None:
        """Keep the labels given so far to these images."""
        self._write(Draft(of=content_key(list(images)), labels=tuple(labels)))

    def load_responses(self, images: Sequence[str]) -> tuple[Response | None, ...]:
        """What was said so far where these images were revealed; none where others were shown last."""
        return self._read(images).responses

    def save_responses(self, images: Sequence[str], responses: Sequence[Response | None]) -> None:
        """Keep what was said so far where these images were revealed."""
        self._write(Draft(of=content_key(list(images)), responses=tuple(responses)))

    @property
    def count(self) -> int:
        """Labels of the board or batch under way, whichever it is."""
        draft = self._kept()
        return len(draft.labels) if draft else 0

    def clear(self) -> None:
        """Forget them, once the answer that they became is kept: shown again, the images are asked anew."""
        self._path.unlink(missing_ok=True)

    def _read(self, images: Sequence[str]) -> Draft:
        draft, of = self._kept(), content_key(list(images))
        return draft if draft and draft.of == of else Draft(of=of)

    def _kept(self) -> Draft | None:
        try:
            return Draft.model_validate_json(read_bytes(self._path))
        except (OSError, ValidationError):
            return None

    def _write(self, draft: Draft) -> None:
        write_whole(self._path, (draft.model_dump_json(indent=1).encode("utf-8"),))
