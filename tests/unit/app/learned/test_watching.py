"""Watching folders: what comes is labelled once, and what cannot be read ends nothing."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from fieldmark.app.inputs import Images
from fieldmark.app.learned.watching import watch_folders
from fieldmark.errors import InputError, NoImagesError


class Names:
    """A classifier that says the names of the files it was given."""

    def predict(self, images: Images) -> list[str]:
        assert isinstance(images, Sequence)
        if all(str(each).endswith("broken.png") for each in images):
            raise NoImagesError("No usable image.")
        return [Path(str(each)).name for each in images]


def test_what_comes_is_labelled_once(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(b"1")
    labelled = watch_folders(Names(), tmp_path, every=0.01)
    assert next(labelled) == ["one.png"]
    (tmp_path / "two.png").write_bytes(b"2")
    assert next(labelled) == ["two.png"]


def test_files_that_cannot_be_read_end_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"0")
    refused: list[str] = []

    def told(error: NoImagesError) -> None:
        refused.append(str(error))
        (tmp_path / "one.png").write_bytes(b"1")

    assert next(iter(watch_folders(Names(), tmp_path, every=0.01, refused=told))) == ["one.png"]
    assert refused == ["No usable image."]


def test_what_cannot_be_watched_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        watch_folders(Names(), tmp_path / "gone")
    for every in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="no time to wait"):
            watch_folders(Names(), tmp_path, every=every)
