"""The images of a run in short, in the orders that pages show them; a whole prediction is read from its line.

A hundred thousand whole predictions would take gigabytes.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import ConfigDict, ValidationError

from fieldmark.errors import RunError
from fieldmark.evals.report.confusion import PairMatrix, pair_matrix
from fieldmark.reading import open_regular
from fieldmark.records import Prediction, Record
from fieldmark.records.predictions import Status
from fieldmark.tools.runs.folder import ANEW, RunFolder

PREDICTIONS = "predictions.jsonl"
MOST_PAIRS = 12
_LONGEST = 64 * 2**20


class _Line(Record):
    """The parts of a line that lists need."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    image: str
    image_hash: str
    label: str
    confidence: float
    status: Status
    runner_up: str | None = None
    decided_by: str = "loop"
    vlm_label: str | None = None


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image in short; names are those of `Prediction`.

    Attributes:
        place: Byte of the file where its line begins.
    """

    image: str
    image_hash: str
    label: str
    runner_up: str | None
    decision: str | None
    decided_by: str
    status: Status
    confidence: float
    place: int


@dataclass(frozen=True)
class ConfusedPair:
    """Two classes that open images lie between."""

    first: str
    second: str
    images: int


@dataclass(frozen=True)
class ImageRows:
    """All images of a run.

    Attributes:
        run: Its folder.
        rows: One for each distinct content, in the run's order.
    """

    run: RunFolder
    rows: tuple[ImageRow, ...]

    @classmethod
    def read(cls, run: RunFolder) -> "ImageRows":
        """Read them.

        Raises:
            RunError: The file is missing or damaged.
        """
        return cls(run, tuple({row.image_hash: row for row in _rows(run)}.values()))

    def whole(self, row: ImageRow) -> Prediction:
        """All that the run says of an image.

        Raises:
            RunError: The file changed meanwhile, or cannot be read.
        """
        try:
            with open_regular(self.run.path / PREDICTIONS) as file:
                file.seek(row.place)
                found = Prediction.model_validate_json(file.readline(_LONGEST))
        except (OSError, ValidationError):
            found = None
        if found is None or found.image_hash != row.image_hash:
            raise RunError(f"The predictions of run {self.run.run_id} changed.", hint="Load the page again.")
        return found

    @cached_property
    def by_hash(self) -> Mapping[str, ImageRow]:
        """By the content hash of the image."""
        return {row.image_hash: row for row in self.rows}

    @cached_property
    def by_doubt(self) -> Sequence[ImageRow]:
        """The least certain first."""
        return sorted(self.rows, key=lambda row: (row.confidence, row.image))

    @cached_property
    def by_certainty(self) -> Sequence[ImageRow]:
        """The most certain first."""
        return sorted(self.rows, key=lambda row: (-row.confidence, row.image))

    @cached_property
    def by_name(self) -> Sequence[ImageRow]:
        """In the order of paths."""
        return sorted(self.rows, key=lambda row: row.image)

    @cached_property
    def decisions(self) -> Mapping[str | None, int]:
        """How many images each decision of the run counts for; None where it is none of the classes."""
        return Counter(row.decision for row in self.rows)

    @cached_property
    def statuses(self) -> Mapping[str, int]:
        """How many images have each status."""
        return Counter(row.status for row in self.rows)

    @cached_property
    def _between(self) -> Counter[tuple[str, str]]:
        return Counter(
            (row.label, row.runner_up)
            for row in self.rows
            if row.status == "open" and row.runner_up is not None
        )

    @cached_property
    def pairs(self) -> tuple[ConfusedPair, ...]:
        """The pairs of classes that most open images lie between."""
        found: Counter[tuple[str, str]] = Counter()
        for (a, b), number in self._between.items():
            found[min(a, b), max(a, b)] += number
        return tuple(ConfusedPair(a, b, number) for (a, b), number in found.most_common(MOST_PAIRS))

    @cached_property
    def matrix(self) -> PairMatrix | None:
        """The classes that open images lie between, each against each; None where no image does."""
        return pair_matrix(self._between) if self._between else None


def _rows(run: RunFolder) -> Iterator[ImageRow]:
    path, place, number = run.path / PREDICTIONS, 0, 0
    try:
        with open_regular(path) as file:
            while text := file.readline(_LONGEST):
                number += 1
                if text.strip():
                    yield _row(_Line.model_validate_json(text), place)
                place += len(text)
    except OSError as error:
        raise RunError(
            f"{str(path)!r} cannot be read: {error.strerror}.",
            hint="A run has predictions once it is finished: go on with it.",
        ) from error
    except ValidationError as error:
        raise RunError(
            f"Line {number} of {str(path)!r} is no prediction: the file is damaged.",
            hint=ANEW,
        ) from error


def _row(line: _Line, place: int) -> ImageRow:
    """A line in short; names of classes, which come again and again, are kept once."""
    decided = line.vlm_label if line.decided_by == "vlm" and line.vlm_label is not None else line.label
    return ImageRow(
        image=line.image,
        image_hash=line.image_hash,
        label=sys.intern(line.label),
        runner_up=None if line.runner_up is None else sys.intern(line.runner_up),
        decision=None if line.status == "rejected" else sys.intern(decided),
        decided_by=sys.intern(line.decided_by),
        status=line.status,
        confidence=line.confidence,
        place=place,
    )
