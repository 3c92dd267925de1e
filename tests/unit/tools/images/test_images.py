"""Finding image files: what is used, what is skipped, in which order, and with which reason."""

import hashlib
import os
import struct
import threading
import zlib
from pathlib import Path

import pytest
from PIL import Image

from fieldmark.errors import NoImagesError
from fieldmark.records.predictions import passed_over_in_words
from fieldmark.tools.images import files as images_module
from fieldmark.tools.images.files import (
    MOST_BYTES,
    ImageFile,
    UnusableImageError,
    decode_image,
    find_images,
    read_unchanged,
)


def save(path: Path, color: object = (200, 30, 30), size: tuple[int, int] = (8, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)
    return path


def names(found: object) -> list[str]:
    return [each.path.name for each in found.images]


def reasons(found: object) -> dict[str, str]:
    return {Path(each.path).name: each.reason for each in found.skipped}


def test_a_folder_is_walked_in_the_order_of_names_and_hidden_things_are_passed_over(tmp_path):
    for name in ("b/2.png", "b/10.jpg", "a.png", "c.WEBP", ".hidden.png", ".git/x.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "b" / "table.csv").write_text("1,2")
    found = find_images(tmp_path)
    assert [str(each.path.relative_to(tmp_path)) for each in found.images] == [
        "a.png",
        "b/10.jpg",
        "b/2.png",
        "c.WEBP",
    ]
    assert sum(found.passed_over.values()) == 2
    assert found.skipped == ()
    assert find_images([str(tmp_path)]) == found


def test_a_name_that_is_no_valid_text_is_skipped_and_can_be_shown(tmp_path):
    save(tmp_path / "good.png")
    bad = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    save(bad)
    found = find_images([tmp_path, bad])
    assert names(found) == ["good.png"]
    assert reasons(found) == {r"caf\udce9.png": "its name is no valid text (UTF-8)"}
    with pytest.raises(NoImagesError) as caught:
        find_images([bad])
    assert r"caf\udce9.png" in str(caught.value)
    str(caught.value).encode()  # nor does the message itself fail


def test_a_folder_that_is_no_valid_text_is_no_label(tmp_path, monkeypatch):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    save(folder / "a.png")
    monkeypatch.chdir(folder)
    assert names(find_images("a.png")) == ["a.png"]
    with pytest.raises(NoImagesError, match="no valid text"):
        find_images("a.png", labels_from_folders=True)


def test_a_name_that_no_file_can_have_is_skipped_with_the_reason(tmp_path):
    save(tmp_path / "good.png")
    found = find_images([tmp_path, "x" * 300])
    assert [each.reason for each in found.skipped] == ["cannot be read (File name too long)"]


def test_the_hash_is_that_of_the_bytes(tmp_path):
    path = save(tmp_path / "a.png")
    (image,) = find_images(path).images
    assert image == ImageFile(path=path, content_hash=hashlib.sha256(path.read_bytes()).hexdigest())


def test_labels_are_the_names_of_the_folders_only_where_asked_for(tmp_path, monkeypatch):
    save(tmp_path / "train" / "red bird" / "x.png")
    assert [each.label for each in find_images(tmp_path).images] == [None]
    assert [each.label for each in find_images(tmp_path, labels_from_folders=True).images] == ["red bird"]
    monkeypatch.chdir(tmp_path / "train" / "red bird")
    assert [each.label for each in find_images("x.png", labels_from_folders=True).images] == ["red bird"]
    assert [each.label for each in find_images("../red bird/x.png", labels_from_folders=True).images] == [
        "red bird"
    ]


def test_a_file_given_twice_or_both_by_name_and_by_folder_counts_once(tmp_path):
    path = save(tmp_path / "a.png")
    assert len(find_images([path, tmp_path, tmp_path / ".", path]).images) == 1


def test_a_file_given_by_name_is_tried_whatever_its_suffix(tmp_path):
    plain = tmp_path / "picture"
    save(tmp_path / "a.png").rename(plain)
    assert names(find_images(plain)) == ["picture"]
    with pytest.raises(NoImagesError, match=r"1 file \(1 without a suffix\)"):
        find_images(tmp_path)


def test_circular_links_end(tmp_path):
    save(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    found = find_images(tmp_path)
    assert names(found) == ["x.png"]
    assert "link" in reasons(found)["self.png"]


def test_broken_files_are_named_counted_and_skipped(tmp_path):
    good = save(tmp_path / "good.png")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("this is text, not a picture")
    (tmp_path / "broken.png").write_bytes(good.read_bytes()[:20])
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    found = find_images(tmp_path)
    assert names(found) == ["good.png"]
    assert set(reasons(found)) == {"empty.jpg", "text.jpg", "broken.png", "dangling.png"}
    assert reasons(found)["empty.jpg"] == "empty file"
    assert "not an image" in reasons(found)["text.jpg"]
    assert "link" in reasons(found)["dangling.png"]


def test_a_pipe_named_like_a_picture_does_not_hold_up_the_search(tmp_path):
    save(tmp_path / "good.png")
    os.mkfifo(tmp_path / "pipe.jpg")
    done: list[object] = []
    search = threading.Thread(target=lambda: done.append(find_images(tmp_path)), daemon=True)
    search.start()
    search.join(20)
    assert reasons(done[0]) == {"pipe.jpg": "not a regular file"}


def hundred_megapixels(path: Path) -> Path:
    """A PNG whose header says 10,000 × 10,000; its pixel data are rubbish, so decoding it would show."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"rubbish") + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.filterwarnings("error")
def test_a_hundred_megapixels_are_refused_by_the_header_alone(tmp_path, monkeypatch):
    save(tmp_path / "good.png")
    huge = hundred_megapixels(tmp_path / "huge.png")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    found = find_images(tmp_path)
    assert names(found) == ["good.png"]
    assert reasons(found) == {"huge.png": "100.0 megapixels, more than the limit of 50"}
    assert len(find_images(huge, max_pixels=100_000_000).images) == 1


def test_pillows_own_limit_is_a_reason_too(tmp_path, monkeypatch):
    save(tmp_path / "good.png", size=(2, 2))
    save(tmp_path / "large.png", size=(40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert "limit" in reasons(find_images(tmp_path))["large.png"]


def test_the_limit_holds_when_decoding_too(tmp_path):
    path = save(tmp_path / "a.png", size=(20, 20))
    with pytest.raises(UnusableImageError, match="megapixels"):
        decode_image(path, max_pixels=399)
    assert decode_image(path, max_pixels=400).size == (20, 20)


def test_no_usable_image_is_an_error_that_says_why(tmp_path):
    with pytest.raises(NoImagesError, match="given"):
        find_images([])
    with pytest.raises(NoImagesError, match="No image in"):
        find_images(tmp_path)
    (tmp_path / "text.jpg").write_text("text")
    with pytest.raises(NoImagesError, match=r"1 skipped.*text\.jpg: not an image"):
        find_images(tmp_path)
    with pytest.raises(NoImagesError, match="no such file"):
        find_images(tmp_path / "missing")


def test_a_missing_path_beside_a_good_one_is_skipped_by_name(tmp_path):
    good = save(tmp_path / "good.png")
    found = find_images([good, tmp_path / "missing.png"])
    assert names(found) == ["good.png"]
    assert reasons(found) == {"missing.png": "no such file or folder"}


def test_a_file_that_vanishes_between_listing_and_opening_is_skipped(tmp_path, monkeypatch):
    save(tmp_path / "a.png")
    gone = save(tmp_path / "gone.png")
    real = images_module._Walk.files

    def files(self, given):
        listed = list(real(self, given))
        gone.unlink()
        return iter(listed)

    monkeypatch.setattr(images_module._Walk, "files", files)
    found = find_images(tmp_path)
    assert names(found) == ["a.png"]
    assert reasons(found) == {"gone.png": "no such file or folder"}


def test_a_file_that_vanished_or_changed_since_is_noticed_when_it_is_read(tmp_path):
    path = save(tmp_path / "a.png")
    (image,) = find_images(path).images
    assert read_unchanged(image) == path.read_bytes()
    save(path, color=(0, 0, 0))
    with pytest.raises(UnusableImageError, match="changed") as changed:
        decode_image(image)
    assert changed.value.reason == "changed since it was found"
    path.unlink()
    with pytest.raises(UnusableImageError, match="vanished"):
        decode_image(image)
    with pytest.raises(UnusableImageError, match="cannot be read"):
        decode_image(path)


def test_truncated_pictures_pass_the_header_check_and_fail_when_decoded(tmp_path):
    path = tmp_path / "cut.jpg"
    Image.effect_noise((64, 64), 60).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:1500])
    (image,) = find_images(path).images
    with pytest.raises(UnusableImageError, match="truncated"):
        decode_image(image)


def test_strange_names_work(tmp_path):
    for name in ("ünï 🦜.png", "{curly} %s.png", "-rf.png", "a\nb.png"):
        save(tmp_path / name)
    assert len(find_images(tmp_path).images) == 4


def test_what_is_passed_over_is_counted_by_suffix_and_named(tmp_path):
    save(tmp_path / "a.png")
    for name in ("b.JXL", "c.jxl", "d.cr2", "e/f.txt", "noted"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = find_images(tmp_path)
    assert found.passed_over == {".jxl": 2, ".cr2": 1, ".txt": 1, "": 1}
    said = passed_over_in_words(found.passed_over)
    assert said == "Passed over by suffix: 5 files (2 .jxl, 1 .cr2, 1 .txt, 1 without a suffix)."
    assert passed_over_in_words({}) == ""
    (tmp_path / "a.png").unlink()
    with pytest.raises(NoImagesError, match=r"2 \.jxl"):
        find_images(tmp_path)


def test_a_file_larger_than_any_picture_is_skipped_by_its_size(tmp_path):
    save(tmp_path / "a.png")
    with (tmp_path / "b.png").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    assert reasons(find_images(tmp_path)) == {"b.png": "larger than 1024 MiB"}
