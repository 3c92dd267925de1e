"""What a model that uses the tools may reach: folders, sizes, and whether it may change anything."""

from dataclasses import dataclass
from pathlib import Path

from fieldmark.app.review.listing import run_folders
from fieldmark.app.review.review import RunReview
from fieldmark.errors import InputError, close_to
from fieldmark.tools.images.files import image_files
from fieldmark.tools.runs.folder import RunFolder

MOST_PATHS = 100
"""The most images and folders of one call."""


@dataclass(frozen=True)
class Reach:
    """What may be reached.

    Attributes:
        root: Images, folders and exports must lie in this folder, links followed.
        runs: Folder of runs.
        home: Where concepts, answers and vectors are kept.
        max_calls: The most questions that one classification may ask.
    """

    root: Path
    runs: Path
    home: Path
    max_calls: int

    def inside(self, given: str) -> Path:
        """A path that lies in the root.

        Args:
            given: Absolute, or as seen from the root.

        Raises:
            InputError: It lies elsewhere, or is not there.
        """
        root = self.root.resolve()
        try:
            path = (root / given).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            path = None
        # One sentence for both, so that nothing is told of what lies elsewhere.
        if path is None or not path.is_relative_to(root):
            raise InputError(
                f"{given[:200]!r} is not in {root}.", hint="Name files and folders that are in it."
            )
        return path

    def images(self, given: list[str]) -> list[Path]:
        """The images at paths in the root; in folders, links that lead out of the root are left out.

        Raises:
            InputError: A path lies elsewhere, or there are too many.
        """
        if len(given) > MOST_PATHS:
            raise InputError(
                f"{len(given):,} paths in one call.", hint=f"Give at most {MOST_PATHS}, or their folder."
            )
        root = self.root.resolve()
        found: list[Path] = []
        for path in map(self.inside, given):
            if path.is_dir():
                found += [each for each in image_files(path)[0] if each.resolve().is_relative_to(root)]
            else:
                found.append(path)
        return found

    def review(self, run: str) -> RunReview:
        """A run with its images, by its name; a name is only compared, never made a path.

        Raises:
            InputError: There is no such run.
            RunError: It has not ended, or a file of it is damaged.
        """
        found = run_folders(self.runs)
        if run not in found:
            raise InputError(
                f"There is no run {run[:200]!r}.", hint=f"{close_to(run, list(found))}See list_runs."
            )
        return RunReview.open(RunFolder(found[run]))
