"""Images that show no bird."""

from pathlib import Path

import numpy as np
import pytest

from fieldmark.aviary.world.pictures import draw_strangers
from fieldmark.aviary.world.strangers import STRANGERS, paint_stranger, render_strangers
from fieldmark.errors import InputError


def test_they_are_drawn_once_without_a_label(tmp_path: Path) -> None:
    drawn = draw_strangers(tmp_path, 12, seed=3)
    assert len({image.content_hash for image in drawn}) == 12
    assert {image.label for image in drawn} == {None}
    times = {image.path: image.path.stat().st_mtime_ns for image in drawn}
    assert draw_strangers(tmp_path, 12, seed=3) == drawn
    assert {image.path: image.path.stat().st_mtime_ns for image in drawn} == times
    assert draw_strangers(tmp_path / "none", 0, seed=3) == ()
    assert not (tmp_path / "none").exists()


def test_more_of_them_leave_the_first_as_they_are(tmp_path: Path) -> None:
    few, many = (draw_strangers(tmp_path / str(n), n, seed=3) for n in (2, 5))
    assert [image.content_hash for image in many[:2]] == [image.content_hash for image in few]
    other = draw_strangers(tmp_path, 2, seed=4)
    assert not {image.content_hash for image in few} & {image.content_hash for image in other}


def test_every_kind_can_be_painted_many_times() -> None:
    for number in range(1, 10 * len(STRANGERS) + 1):
        image = paint_stranger(number, seed=11, size=64)
        assert (image.mode, image.size) == ("RGB", (64, 64))
    # Kinds take turns: the second is one colour, the first is noise.
    grain, flat = (np.asarray(paint_stranger(number, seed=11)) for number in (1, 2))
    assert flat.std(axis=(0, 1)).max() == 0 < grain.std(axis=(0, 1)).min()


@pytest.mark.parametrize("count", [0, 100_000])
def test_a_count_out_of_range_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(InputError, match="1 to 99,999"):
        render_strangers(tmp_path / "out", count, seed=0)
