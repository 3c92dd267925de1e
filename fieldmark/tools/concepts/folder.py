"""A concept's folder: a run's folder that is gone on with, with the concept's record and its pool."""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from pydantic import JsonValue, ValidationError

from fieldmark.cache.folders import private_folder
from fieldmark.errors import InputError
from fieldmark.reading import read_text
from fieldmark.records import Concept, RunConfig
from fieldmark.records.names import one_name
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.runs.checkpoint_name import has_checkpoint
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.run import Run, worked_in

RECORD = "concept.json"
POOL = "pool.json"
SETUP = "setup.json"
CHECKPOINT = "checkpoint.sqlite"
_SLUG = re.compile(r"[^a-z0-9]+")


def slug_of(name: str) -> str:
    """A folder name for a concept's name: plain ASCII; a hash stands for other characters.

    Names that differ in case or spaces alone are one name.

    Raises:
        InputError: The name is blank, or not text that can be written down.
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"The concept's name {name!r} is no well-formed text.", hint="Give the name in UTF-8."
        ) from None
    key = unicodedata.normalize("NFC", one_name(name).casefold())
    if not key:
        raise InputError("A concept needs a name.", hint='For example "healthy dish".')
    plain = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode()
    slug = _SLUG.sub("-", plain).strip("-")[:60].strip("-")
    if slug.replace("-", " ") == key:
        return slug
    digest = sha256(key.encode("utf-8")).hexdigest()[:8]
    return f"{slug}-{digest}" if slug else digest


class ConceptFolder(RunFolder):
    """One concept's folder. Each process's work on it is noted as that on a run is: lock, events, manifest.

    Args:
        path: The folder; it is made.
    """

    anew: ClassVar[str] = "Move it aside and go on: the concept itself is in other files."

    def __init__(self, path: Path) -> None:
        super().__init__(private_folder(path))

    @property
    def config(self) -> RunConfig:
        """The models that the concept was made with, and when it was made."""
        options: dict[str, JsonValue] = self._read(SETUP)
        made = datetime.fromtimestamp((self.path / POOL).stat().st_mtime, UTC)
        return RunConfig(
            kind="concept",
            run_id=self.run_id,
            created=made.isoformat(timespec="seconds"),
            options=options,
        )

    @property
    def checkpoint(self) -> Path:
        """Where the conversation's checkpoint lies."""
        return self.path / CHECKPOINT

    @property
    def exists(self) -> bool:
        """Whether a concept was saved here."""
        return (self.path / RECORD).is_file()

    def load(self) -> Concept:
        """Read the record.

        Raises:
            InputError: There is none, or it is no concept; the message says where it goes wrong.
        """
        try:
            return Concept.model_validate(self._read(RECORD))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(
                f"{self.path / RECORD} is no concept: {where}: {first['msg']}.",
                hint="Undo the last change made by hand.",
            ) from None

    def save(self, concept: Concept) -> None:
        """Write the record whole: a reader finds the one before or this one, never a part.

        Raises:
            RunError: It could not be written.
        """
        self.write(RECORD, concept)

    def load_pool(self) -> tuple[ImageFile, ...]:
        """The images of the pool, as they were when it was made.

        Raises:
            InputError: There is no pool, or it is not well formed.
        """
        return tuple(ImageFile(Path(path), content_hash) for path, content_hash in self.pool_rows())

    def pool_rows(self) -> list[tuple[str, str]]:
        """Path and content hash of each image of the pool; of a large one ten times as fast as `load_pool`.

        Raises:
            InputError: There is no pool, or it is not well formed.
        """
        try:
            rows = [(row["path"], row["hash"]) for row in self._read(POOL)]
        except (TypeError, KeyError) as error:
            raise self._not_well_formed(POOL) from error
        if not all(isinstance(each, str) for row in rows for each in row):
            raise self._not_well_formed(POOL)
        return rows

    def save_pool(self, images: Sequence[ImageFile]) -> None:
        """Write down which images the pool holds: absolute path and content hash of each."""
        rows = [{"path": str(image.path.resolve()), "hash": image.content_hash} for image in images]
        self.write_text(POOL, json.dumps(rows, indent=0))

    @contextmanager
    def writing(self) -> Iterator[Run]:
        """Hold the folder alone; the lock goes with the process, however it ends.

        Raises:
            RunError: Somebody else holds it.
        """
        with worked_in(
            self,
            resumed=has_checkpoint(self.checkpoint),
            work="the concept",
            hint="Finish that conversation first; nothing of it is lost when it ends.",
        ) as run:
            yield run

    def _read(self, name: str) -> Any:
        path = self.path / name
        try:
            return json.loads(read_text(path))
        except FileNotFoundError:
            raise InputError(
                f"There is no concept in {self.path}.",
                hint="Make one: `ConceptConversation.new`, or `fieldmark concept new`.",
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise self._not_well_formed(name) from error

    def _not_well_formed(self, name: str) -> InputError:
        return InputError(
            f"{self.path / name} is not well formed.", hint="Restore it from a copy; nothing was changed."
        )


def concept_folders(root: Path) -> list[ConceptFolder]:
    """The concepts under a folder, by name of their folders."""
    if not root.is_dir():
        return []
    return [
        ConceptFolder(path)
        for path in sorted(root.iterdir())
        if (path / RECORD).is_file() and not path.name.startswith(".")
    ]
