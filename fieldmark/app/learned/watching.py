"""Labels images as they come into folders, with an exported classifier."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from fieldmark.app.inputs import Images
from fieldmark.errors import InputError, NoImagesError
from fieldmark.tools.images.arrivals import Arrivals

Labelled = TypeVar("Labelled", covariant=True)

EVERY = 2.0
"""Seconds from look to look, where nothing else is said."""
LONGEST = 86_400
"""The most seconds from look to look: a day."""


class Predicts(Protocol[Labelled]):
    """What both exported classifiers do: `LearnedClassifier` and `ConceptClassifier`."""

    def predict(self, images: Images) -> Labelled:
        """Label images."""
        ...


def watch_folders(
    classifier: Predicts[Labelled],
    folders: Sequence[Path | str] | Path | str,
    *,
    every: float = EVERY,
    known: Iterable[Path] = (),
    refused: Callable[[NoImagesError], None] = lambda _: None,
) -> Iterator[Labelled]:
    """Label images as they come: those that lie there, then each that comes or is written anew, without end.

    Break off the loop, or close the generator, to end it. A file is taken when it lay unchanged for `every`
    seconds.

    Args:
        classifier: A `LearnedClassifier` or a `ConceptClassifier`.
        folders: Folders to watch, with the folders inside.
        every: Seconds from look to look.
        known: Files that have been labelled before; they are taken only when they change.
        refused: Called where none of the files that came can be read; the watch goes on.

    Yields:
        What the classifier's `predict` says of the files that came since the last look.

    Raises:
        InputError: One of the folders is no folder, or `every` is not positive.
    """
    given = [Path(each) for each in ([folders] if isinstance(folders, str | Path) else folders)]
    check_watched(given, every)
    return _watched(classifier, Arrivals(given, known=known), every, refused)


def check_watched(folders: Sequence[Path], every: float) -> None:
    """Refuse what cannot be watched.

    Raises:
        InputError: One of the folders is no folder, or `every` is no time to wait.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder that could be watched.", hint="Name a folder.")
    if not 0 < every <= LONGEST:
        raise InputError(
            f"{every} seconds is no time to wait.",
            hint=f"Give more than 0, and at most {LONGEST:,}.",
            field="every",
        )


def _watched(
    classifier: Predicts[Labelled],
    arrivals: Arrivals,
    every: float,
    refused: Callable[[NoImagesError], None],
) -> Iterator[Labelled]:
    while True:
        if files := arrivals.look():
            try:
                labelled = classifier.predict(list(files))
            except NoImagesError as error:
                refused(error)
            else:
                yield labelled
                continue  # labelling took its time: more may have come
        time.sleep(every)
