"""Keeps what was typed before a whole board, batch or reveal was done, so that leaving loses nothing."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from fieldmark.cache.folders import write_whole
from fieldmark.cache.keys import content_key
from fieldmark.reading import read_bytes
from fieldmark.records import Record
from fieldmark.records.conversation import ImageLabel, Response

DRAFTS = "drafts.json"
MOST = 8
"""Drafts that are kept: of boards, batches and reveals that were left, the latest ones."""


class Draft(Record):
    """Labels of one board or batch that is under way, or responses to a reveal."""

    of: str
    """Hash of the images that were shown together."""
    labels: tuple[ImageLabel, ...] = ()
    responses: tuple[Response | None, ...] = ()
    """Responses to disagreements, in order; None where nothing was said."""


class _Kept(Record):
    drafts: tuple[Draft, ...] = ()


class Drafts:
    """The drafts of a concept: one for each board, batch or reveal that is under way.

    Args:
        folder: The concept's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / DRAFTS

    def load(self, images: Sequence[str]) -> tuple[ImageLabel, ...]:
        """The labels given so far to these images, in the order given."""
        return self._read(images).labels

    def save(self, images: Sequence[str], labels: Sequence[ImageLabel]) -> None:
        """Keep the labels given so far to these images."""
        self._write(Draft(of=content_key(list(images)), labels=tuple(labels)))

    def load_responses(self, images: Sequence[str]) -> tuple[Response | None, ...]:
        """What was said so far where these images were revealed."""
        return self._read(images).responses

    def save_responses(self, images: Sequence[str], responses: Sequence[Response | None]) -> None:
        """Keep what was said so far where these images were revealed."""
        self._write(Draft(of=content_key(list(images)), responses=tuple(responses)))

    @property
    def count(self) -> int:
        """Labels of the boards and batches under way."""
        return sum(len(draft.labels) for draft in self._kept())

    def clear(self, images: Sequence[str]) -> None:
        """Forget a draft, once the answer that it became is kept: shown again, the images are asked anew."""
        of, kept = content_key(list(images)), self._kept()
        if any(draft.of == of for draft in kept):
            self._put([draft for draft in kept if draft.of != of])

    def _read(self, images: Sequence[str]) -> Draft:
        of = content_key(list(images))
        return next((draft for draft in self._kept() if draft.of == of), Draft(of=of))

    def _kept(self) -> tuple[Draft, ...]:
        try:
            return _Kept.model_validate_json(read_bytes(self._path)).drafts
        except (OSError, ValidationError):
            return ()

    def _write(self, draft: Draft) -> None:
        self._put([*(each for each in self._kept() if each.of != draft.of), draft][-MOST:])

    def _put(self, drafts: Sequence[Draft]) -> None:
        write_whole(self._path, (_Kept(drafts=tuple(drafts)).model_dump_json(indent=1).encode("utf-8"),))
