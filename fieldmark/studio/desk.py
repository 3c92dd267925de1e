"""What the pages of one server work with: runs, concepts, small pictures, and who may use them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from starlette.requests import Request

from fieldmark.app.concepts.shelf import ConceptShelf
from fieldmark.app.jobs.demo import Demo
from fieldmark.app.review.storage import CountedStorage
from fieldmark.studio.access import Access
from fieldmark.studio.shelf import RunShelf
from fieldmark.studio.talking import TalkProcesses, Talks
from fieldmark.tools.images.browse import usual_roots
from fieldmark.tools.images.small import SmallCopies


@dataclass(frozen=True)
class Desk:
    """What the pages work with.

    Attributes:
        access: Who may use them.
        runs: The runs of a folder.
        pictures: Small pictures of images.
        home: Where concepts are kept.
        demo: What a newcomer finds, if this is the demo.
        talking: Has conversations go on; processes where not given.
        folders: Folders that may be looked through for pictures; the usual ones where not given.
    """

    access: Access
    runs: RunShelf
    pictures: SmallCopies
    home: Path
    demo: Demo | None = None
    talking: Talks | None = None
    folders: tuple[Path, ...] | None = None

    @cached_property
    def talks(self) -> Talks:
        """Has conversations go on."""
        return self.talking or TalkProcesses(self.home)

    @property
    def roots(self) -> tuple[Path, ...]:
        """Folders that may be looked through for pictures; a drive may be plugged in at any time."""
        if self.folders is not None:
            return self.folders
        return ((self.demo.pool.parent,) if self.demo else ()) + usual_roots()

    @cached_property
    def storage(self) -> CountedStorage:
        """What all of it takes."""
        return CountedStorage(self.home, self.runs.folder)

    @cached_property
    def concepts(self) -> ConceptShelf:
        """The concepts of the home."""
        return ConceptShelf(self.home)


def desk_of(request: Request) -> Desk:
    """The desk of the server that a request came to."""
    return request.app.state.desk
