import asyncio
import base64
import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.errors import InputError
from fieldmark.tools.images.decode import UnusableImageError
from fieldmark.tools.images.files import ImageFile, find_images
from fieldmark.tools.llm.image_messages import ImageMessages, SentImage, image_to_send


def found(path: Path) -> ImageFile:
    (image,) = find_images(path).images
    return image


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    depth = {"RGB": 3, "RGBA": 4, "L": 1}[mode]
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, depth), dtype=np.uint8)
    return Image.fromarray(pixels if depth > 1 else pixels[:, :, 0])


def opened(shown: SentImage) -> Image.Image:
    return Image.open(io.BytesIO(shown.data))


@pytest.mark.parametrize(("suffix", "kind"), [("png", "image/png"), ("jpg", "image/jpeg")])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_small_picture_goes_as_its_own_bytes(tmp_path: Path, suffix: str, kind: str, mode: str) -> None:
    path = tmp_path / f"a.{suffix}"
    noise(512, 30, mode).save(path)
    shown = image_to_send(found(path))
    assert shown.data == path.read_bytes()
    assert shown.part.data_url == f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


@pytest.mark.parametrize(
    ("size", "sent"), [((1024, 512), (512, 256)), ((600, 1), (512, 1)), ((513, 513), (512, 512))]
)
def test_a_large_picture_is_made_smaller_by_rule(tmp_path: Path, size: tuple, sent: tuple) -> None:
    path = tmp_path / "a.png"
    noise(*size).save(path)
    shown = image_to_send(found(path))
    assert shown.media_type == "image/jpeg"
    assert (opened(shown).format, opened(shown).size) == ("JPEG", sent)
    assert image_to_send(found(path)) == shown  # the same every time
    assert opened(image_to_send(found(path), longest=100)).size[0] == 100


def test_nothing_is_ever_enlarged(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    noise(7, 5).save(path)
    shown = image_to_send(found(path))
    assert (shown.media_type, opened(shown).size) == ("image/jpeg", (7, 5))


def test_what_models_would_see_otherwise_than_the_encoder_is_written_anew(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    noise(40, 20).save(tmp_path / "turned.jpg", exif=turned)
    assert opened(image_to_send(found(tmp_path / "turned.jpg"))).size == (20, 40)

    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert opened(image_to_send(found(tmp_path / "clear.png"))).getpixel((4, 4)) == (255, 255, 255)

    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for suffix in ("gif", "png"):
        path = tmp_path / f"moving.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        red, _, blue = opened(image_to_send(found(path))).getpixel((4, 4))
        assert red > 200 and blue < 60
        assert image_to_send(found(path)).data != path.read_bytes()


def test_where_a_photo_was_taken_is_not_sent(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (52.0, 12.0, 3.0)}
    exif[0x010E] = "the secret garden"
    noise(40, 20).save(tmp_path / "a.jpg", exif=exif)
    shown = image_to_send(found(tmp_path / "a.jpg"))
    assert b"secret garden" in (tmp_path / "a.jpg").read_bytes()
    assert b"secret garden" not in shown.data and not opened(shown).getexif()


def test_a_picture_of_nearly_fifty_megapixels_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (9_990, 5_000), 200).save(path, compress_level=1)
    shown = image_to_send(found(path))
    assert opened(shown).size == (512, 256)
    assert len(shown.data) < 20_000


def test_files_that_cannot_be_shown_say_why(tmp_path: Path) -> None:
    noise(64, 64).save(tmp_path / "a.png")
    whole = found(tmp_path / "a.png")
    cut = tmp_path / "cut.png"
    cut.write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    with pytest.raises(UnusableImageError, match=r"broken or truncated"):
        image_to_send(found(cut))
    (tmp_path / "a.png").write_bytes(cut.read_bytes())
    with pytest.raises(UnusableImageError, match="changed since"):
        image_to_send(whole)
    (tmp_path / "a.png").unlink()
    with pytest.raises(UnusableImageError, match="vanished"):
        image_to_send(whole)
    with pytest.raises(InputError, match="0 pixels"):
        image_to_send(found(cut), longest=0)


async def test_images_are_decoded_in_threads_and_few_at_a_time() -> None:
    at_once, most, threads = 0, 0, set()
    lock = threading.Lock()
    release = threading.Event()

    def slow(image: object, *, longest: int) -> SentImage:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
            threads.add(threading.get_ident())
        release.wait(5)
        with lock:
            at_once -= 1
        return SentImage("image/png", b"x")

    messages = ImageMessages(concurrency=3, how=slow)
    tasks = [asyncio.create_task(messages.part(None)) for _ in range(9)]  # pyright: ignore[reportArgumentType]
    for _ in range(5):
        await asyncio.sleep(0.01)  # the loop runs on while they decode
    assert at_once == 3
    release.set()
    await asyncio.gather(*tasks)
    assert most == 3
    assert threading.get_ident() not in threads


def test_another_size_is_another_identity() -> None:
    assert ImageMessages().identity != ImageMessages(longest=768).identity
