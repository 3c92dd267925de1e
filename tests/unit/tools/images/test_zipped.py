"""Zips among pictures that were sent: opened in memory, bounded, nothing by its name."""

import io
import struct
import zipfile
from collections.abc import Callable

import pytest

from fieldmark.errors import InputError
from fieldmark.tools.images import zipped
from fieldmark.tools.images.zipped import with_zips_opened

Fill = Callable[[zipfile.ZipFile], object]


def zip_of(fill: Fill) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        fill(archive)
    return io.BytesIO(made.getvalue())


def opened(content: io.BytesIO, name: str = "some.ZIP") -> list[tuple[str, bytes]]:
    return [(each, file.read()) for each, file in with_zips_opened([(name, content)])]


def test_files_of_a_zip_come_in_its_place() -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        archive.mkdir("birds")
        for name in ("birds/a.jpg", "b.png", "birds/.hidden.jpg", "__MACOSX/birds/._a.jpg", "inner.zip"):
            archive.writestr(name, name)

    sent = [("first.jpg", io.BytesIO(b"1")), ("some.zip", zip_of(fill)), ("last.jpg", io.BytesIO(b"2"))]
    names = [name for name, _ in with_zips_opened(sent)]
    assert names == ["first.jpg", "birds/a.jpg", "b.png", "inner.zip", "last.jpg"]
    assert ("b.png", b"b.png") in opened(zip_of(fill))


def link(archive: zipfile.ZipFile) -> None:
    member = zipfile.ZipInfo("a.jpg")
    member.external_attr = 0o120777 << 16
    archive.writestr(member, "/etc/passwd")


def named(name: str) -> Fill:
    return lambda archive: archive.writestr(name, b"x")


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (link, "holds a link"),
        (named("../../evil.jpg"), "leads out of it"),
        (named("a/../../evil.jpg"), "leads out of it"),
        (named("/etc/evil.jpg"), "leads out of it"),
        (named("C:evil.jpg"), "leads out of it"),
        (lambda archive: [archive.writestr(f"{at}.jpg", b"") for at in range(4)], "more than 3 files"),
        (lambda archive: archive.writestr("a.jpg", bytes(3000)), "file of more than"),
        (lambda archive: [archive.writestr(f"{at}.jpg", bytes(2000)) for at in "abc"], "holds more than"),
        (lambda archive: archive.writestr("a.jpg", b"x", zipfile.ZIP_LZMA), "in a way that is not read"),
    ],
)
def test_what_is_not_safe_is_refused(fill: Fill, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MOST_FILES", 3), ("LARGEST", 2500), ("MOST_BYTES", 5000)):
        monkeypatch.setattr(zipped, name, value)
    with pytest.raises(InputError, match=said):
        opened(zip_of(fill))


def with_bytes(at: int, form: str, value: int) -> io.BytesIO:
    """A zip of one file with a field of its end, or from its beginning, put wrong."""
    data = bytearray(zip_of(named("a.jpg")).getvalue())
    struct.pack_into(form, data, at % len(data), value)
    return io.BytesIO(bytes(data))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (io.BytesIO(b"no zip"), "is no zip"),
        (io.BytesIO(), "is no zip"),
        (with_bytes(35, "<B", 0xFF), "is no zip, or is damaged"),
        (with_bytes(-10, "<L", 1 << 31), "holds more than"),
        (io.BytesIO(b"PK\x06\x07" + bytes(16) + b"PK\x05\x06" + bytes(18)), "holds more than"),
    ],
)
def test_a_damaged_zip_and_one_that_lies_are_refused(content: io.BytesIO, said: str) -> None:
    with pytest.raises(InputError, match=said):
        opened(content)


def test_an_encrypted_zip_is_refused() -> None:
    data = bytearray(zip_of(named("a.jpg")).getvalue())
    listed = data.index(b"PK\x01\x02")
    data[listed + 8] |= 1
    with pytest.raises(InputError, match="encrypted"):
        opened(io.BytesIO(bytes(data)))
