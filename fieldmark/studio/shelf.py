"""The runs of one folder, by name; one that was read stays in memory while its files are as they were."""

from pathlib import Path

from starlette.exceptions import HTTPException

from fieldmark.app.review.image_rows import PREDICTIONS, ImageRows
from fieldmark.app.review.listing import RunSummary, list_runs, run_folders, summary_of_run
from fieldmark.app.review.review import RunReview
from fieldmark.cache.file_memo import FileMemo
from fieldmark.tools.runs.folder import RunFolder

MOST = 4
"""Runs that stay in memory."""
_FILES = ("manifest.json", PREDICTIONS, "labels.csv", "ask.csv")


class RunShelf:
    """The classifications in a folder.

    Args:
        folder: Where run folders are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept = FileMemo[RunReview](MOST)
        self._images = FileMemo[ImageRows](MOST)

    def summaries(self) -> tuple[RunSummary, ...]:
        """All of them, the latest first."""
        return list_runs(self.folder)

    def run(self, run_id: str) -> RunFolder:
        """The folder of a run; a name is only compared, never made a path.

        Raises:
            HTTPException: There is no such run.
        """
        if (path := run_folders(self.folder).get(run_id)) is None:
            raise HTTPException(404, "There is no such run.")
        return RunFolder(path)

    def summary(self, run_id: str) -> RunSummary:
        """A run at a glance."""
        return summary_of_run(self.run(run_id))

    def review(self, run_id: str) -> RunReview:
        """A run with its images.

        Raises:
            HTTPException: There is no such run.
            RunError: It has not ended, or a file of it is damaged.
        """
        run = self.run(run_id)
        files = [run.path / name for name in _FILES]

        def read() -> RunReview:
            # A label changes none of the images: they are not read again.
            images = self._images.get(run_id, [run.path / PREDICTIONS], lambda: ImageRows.read(run))
            return RunReview.open(run, images)

        return self._kept.get(run_id, files, read)
