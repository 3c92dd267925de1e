"""Photographs that are tried on a concept's classifier: taken in, judged, put in a table, forgotten."""

import json
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from fieldmark.app.jobs.job import Job
from fieldmark.app.jobs.tasks import PredictTask
from fieldmark.cache.folders import private_folder, write_whole
from fieldmark.errors import InputError, RunError
from fieldmark.reading import read_bytes
from fieldmark.records import SkippedInput
from fieldmark.records.concept_predictions import ConceptPredictions
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.concepts.predictions_csv import concept_csv
from fieldmark.tools.images.decode import image_suffixes
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.zipped import with_zips_opened

TRIAL = "trial"
UPLOADS, NAMES, FOUND = "uploads", "names.json", "predictions.json"
MOST_FILES = 500
"""Photographs that one trial takes in."""
MOST_BYTES = 256 * 1024 * 1024
"""Bytes that it takes in, all together."""
LONGEST_NAME = 120
CHUNK = 1024 * 1024
_UNFIT = re.compile(r"[\x00-\x1f\x7f/\\]+")


@dataclass(frozen=True)
class TriedPhotographs:
    """The latest photographs that were tried on a concept; one lot at a time.

    Attributes:
        concept: The concept's folder.
    """

    concept: ConceptFolder

    @property
    def path(self) -> Path:
        """Where the lot lies."""
        return self.concept.path / TRIAL

    @property
    def job(self) -> Job:
        """What judges it."""
        return Job.of(self.concept.path, PredictTask.KIND)

    @property
    def found(self) -> ConceptPredictions | None:
        """What came of it, files by the names that they came with; None before anything did."""
        read, names = self._read, self._names
        if read is None:
            return None
        predictions = (
            each.model_copy(update={"image": names.get(each.image, each.image)}) for each in read.predictions
        )
        skipped = (
            SkippedInput(path=names.get(each.path, each.path), reason=each.reason) for each in read.skipped
        )
        return read.model_copy(update={"predictions": tuple(predictions), "skipped": tuple(skipped)})

    @property
    def images(self) -> Mapping[str, ImageFile]:
        """The photographs that were judged, by content hash."""
        judged = self._read.predictions if self._read else ()
        return {each.image_hash: ImageFile(Path(each.image), each.image_hash) for each in judged}

    def table(self) -> str:
        """What came of it as CSV."""
        found = self.found
        return concept_csv(found.predictions, found.skipped) if found else concept_csv(())

    def take_in(self, files: Sequence[tuple[str, IO[bytes]]]) -> tuple[tuple[str, ...], int]:
        """Keep photographs that were sent, those in zips, too, in the place of those before.

        A name is kept for people and never made a path. What has no image's suffix is left out; whether the
        others are images is found out when they are decoded.

        Args:
            files: Name and content of each.

        Returns:
            The paths of the files that were kept, and how many were left out.

        Raises:
            InputError: None of them is one, or they are too many or too large, or a zip cannot be opened.
            RunError: The last lot is being judged.
        """
        coming = self.concept.path / f".{TRIAL}-{secrets.token_hex(4)}"
        names: dict[str, str] = {}
        left, seen = MOST_BYTES, 0
        try:
            private_folder(coming / UPLOADS)
            for name, content in with_zips_opened(files):
                seen += 1
                if seen > MOST_FILES:
                    raise InputError(
                        f"These are more than {MOST_FILES} files.",
                        hint="Send fewer, or name a folder of this machine.",
                    )
                suffix = Path(_UNFIT.sub("_", name)).suffix.lower()
                if suffix not in image_suffixes():
                    continue
                own = f"{seen:04}{suffix}"
                left -= _copied(content, coming / UPLOADS / own, most=left)
                names[str(self.path / UPLOADS / own)] = _shown(name)
            if not names:
                raise InputError(
                    "None of these files is a picture.",
                    hint="Choose photographs, such as .jpg or .png files.",
                )
            write_whole(coming / NAMES, (json.dumps(names).encode(),))
            self.forget()
            coming.rename(self.path)
        finally:
            shutil.rmtree(coming, ignore_errors=True)
        return tuple(names), seen - len(names)

    def judge(self, paths: tuple[str, ...], *, version: int, home: Path) -> None:
        """Have photographs judged by a process of its own.

        Args:
            paths: Files, and folders of them.
            version: The version whose classifier judges.
            home: Where concepts, answers and vectors are kept.

        Raises:
            RunError: The last lot is being judged, or the process cannot be started.
        """
        private_folder(self.path)
        if not self.job.start(PredictTask(version=version, paths=paths, out=f"{TRIAL}/{FOUND}"), home=home):
            raise _busy()

    def forget(self) -> None:
        """Delete the photographs that were sent, and what came of them.

        Raises:
            RunError: They are being judged.
        """
        status = self.job.status
        if status is not None and status.running:
            raise _busy()
        shutil.rmtree(self.path, ignore_errors=True)

    @cached_property
    def _read(self) -> ConceptPredictions | None:
        try:
            return ConceptPredictions.model_validate_json(read_bytes(self.path / FOUND))
        except (OSError, ValueError):
            return None

    @cached_property
    def _names(self) -> dict[str, str]:
        try:
            read = json.loads(read_bytes(self.path / NAMES))
        except (OSError, ValueError):
            return {}
        return {str(path): str(name) for path, name in read.items()} if isinstance(read, dict) else {}


def _copied(content: IO[bytes], path: Path, *, most: int) -> int:
    """Copy what was sent, as far as it may be; returns its bytes."""
    seen = 0
    with path.open("xb") as file:
        while chunk := content.read(CHUNK):
            seen += len(chunk)
            if seen > most:
                raise too_large()
            file.write(chunk)
    return seen


def too_large() -> InputError:
    """That more was sent than a page takes in."""
    return InputError(
        f"The files are larger than {MOST_BYTES // 1024**2} MiB together.",
        hint="Send fewer, or name a folder of this machine.",
    )


def _shown(name: str) -> str:
    """A file's name as it is shown: its last part, no longer than a page can take."""
    last = name.replace("\\", "/").rpartition("/")[2] or "unnamed"
    return last if len(last) <= LONGEST_NAME else f"{last[: LONGEST_NAME - 12]}…{last[-10:]}"


def _busy() -> RunError:
    return RunError(
        "Photographs are being looked at already.", hint="Wait until that has ended, or cancel it."
    )
