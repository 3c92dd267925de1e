"""A file that comes into a folder is told once, when it lies still, and again when it changes."""

import os
from pathlib import Path

from fieldmark.tools.images.arrivals import Arrivals


def put(path: Path, data: bytes, time: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (time, time))
    return path


def test_a_file_is_told_once_when_two_looks_agree(tmp_path: Path) -> None:
    arrivals = Arrivals([tmp_path])
    assert arrivals.look() == ()
    one = put(tmp_path / "one.png", b"half")
    assert arrivals.look() == ()
    put(one, b"half and half")  # still being written
    assert arrivals.look() == ()
    assert arrivals.look() == (one,)
    two = put(tmp_path / "within" / "two.jpg", b"x")
    assert [arrivals.look(), arrivals.look(), arrivals.look()] == [(), (two,), ()]


def test_a_file_of_the_same_size_that_was_written_anew_is_told_again(tmp_path: Path) -> None:
    one = put(tmp_path / "one.png", b"abc", time=1)
    arrivals = Arrivals([tmp_path])
    assert [arrivals.look(), arrivals.look(), arrivals.look()] == [(), (one,), ()]
    put(one, b"xyz", time=2)
    assert [arrivals.look(), arrivals.look()] == [(), (one,)]


def test_what_is_known_is_told_only_when_it_changes(tmp_path: Path) -> None:
    known, other = put(tmp_path / "known.png", b"a"), put(tmp_path / "other.png", b"b")
    arrivals = Arrivals([tmp_path], known=[known, tmp_path / "long gone.png"])
    assert [arrivals.look(), arrivals.look()] == [(), (other,)]
    put(known, b"a", time=9)
    assert [arrivals.look(), arrivals.look()] == [(), (known,)]


def test_a_name_that_is_used_again_and_a_folder_that_goes_away(tmp_path: Path) -> None:
    one = put(tmp_path / "drive" / "one.png", b"a")
    arrivals = Arrivals([tmp_path / "drive"])
    assert [arrivals.look(), arrivals.look()] == [(), (one,)]
    one.rename(tmp_path / "one.png")
    (tmp_path / "drive").rmdir()
    assert arrivals.look() == ()
    put(one, b"a")
    assert [arrivals.look(), arrivals.look()] == [(), (one,)]


def test_files_that_are_no_images_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "notes.txt", b"a")
    put(tmp_path / ".hidden.png", b"a")
    arrivals = Arrivals([tmp_path])
    assert [arrivals.look(), arrivals.look()] == [(), ()]
