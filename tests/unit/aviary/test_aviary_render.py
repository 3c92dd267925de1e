"""The renderer and data sets: the same seed gives the same bytes, marks show, half data sets do not exist."""

import hashlib
import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fieldmark.aviary.world.attributes import ATTRIBUTES, HABITATS, KIND_BY_NOUN, LIGHTS
from fieldmark.aviary.world.dataset import plan_images, read_truth, render_dataset
from fieldmark.aviary.world.render import render
from fieldmark.aviary.world.species import random_marks, species_book
from fieldmark.errors import FieldmarkError, InputError

PLAIN = {
    "body": "grey", "wing": "blue", "belly": "white", "pattern": "plain", "bill": "dagger",
    "bill_colour": "yellow", "crest": "none", "tail": "short", "leg_colour": "black", "leg_length": "long",
    "neck": "short", "eye_ring": "none", "cap": "none", "collar": "none", "wing_bar": "none",
    "size": "medium",
}  # fmt: skip


def pixels(marks, size=64, seed=3, habitat="meadow", light="day"):
    picture = render(marks, habitat=habitat, light=light, seed=seed, size=size, difficulty=0)
    return np.asarray(picture, dtype=float)


def tree(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.mark.parametrize("size", [32, 64, 128, 200])
def test_size_and_mode(size):
    picture = render(PLAIN, habitat="sky", light="fog", seed=1, size=size)
    assert picture.size == (size, size) and picture.mode == "RGB"


def test_seed_decides_everything():
    assert (pixels(PLAIN) == pixels(PLAIN)).all()
    assert np.abs(pixels(PLAIN) - pixels(PLAIN, seed=4)).mean() > 3


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda a: a.key)
def test_every_value_of_every_mark_shows(attribute):
    """With all else equal, two values differ in some place by far more than any noise."""
    looks = [pixels(PLAIN | {attribute.key: value}) for value in attribute.values]
    for i, first in enumerate(looks):
        for second in looks[:i]:
            changed = np.abs(first - second).max(axis=2) > 25
            assert changed.sum() >= 8


def test_habitats_and_lights_show():
    for names, of in ((HABITATS, "habitat"), (LIGHTS, "light")):
        looks = [pixels(PLAIN, **{of: name}) for name in names]
        for i, first in enumerate(looks):
            for second in looks[:i]:
                assert np.abs(first - second).mean() > 8


def test_every_random_bird_can_be_drawn():
    rng = random.Random(0)
    for seed in range(40):
        picture = render(random_marks(rng), habitat=rng.choice(HABITATS), light="day", seed=seed, size=32)
        assert np.asarray(picture).std() > 8


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="moon"):
        render(PLAIN, habitat="moon", light="day", seed=0)
    with pytest.raises(InputError, match="size"):
        render(PLAIN, habitat="sky", light="day", seed=0, size=8)


def test_data_set_round_trip(tmp_path):
    book = species_book(1, new=6, known=2)
    told = []
    out = tmp_path / "deep" / "birds"
    truth = render_dataset(
        out, book, images_per_species=3, seed=5, size=64, progress=lambda *counts: told.append(counts)
    )
    assert told[-1] == (24, 24)
    assert (out / "classes.txt").read_text().splitlines() == [species.name for species in book]
    assert read_truth(out) == (book, truth)
    for one in truth:
        folder, name = one.file.split("/")
        assert folder == one.species and name in ("0001.jpg", "0002.jpg", "0003.jpg")
        with Image.open(out / one.file) as picture:
            assert picture.size == (64, 64) and picture.format == "JPEG" and not picture.getexif()
    assert sorted(path.name for path in out.parent.iterdir()) == ["birds"]


def test_data_set_is_the_same_bytes_for_any_number_of_workers(tmp_path, monkeypatch):
    book = species_book(1, new=3, known=0)
    monkeypatch.setattr("fieldmark.aviary.world.render_files._SERIAL_LIMIT", 1)
    render_dataset(tmp_path / "two", book, images_per_species=2, seed=5, size=32, workers=2)
    render_dataset(tmp_path / "one", book, images_per_species=2, seed=5, size=32, workers=1)
    render_dataset(tmp_path / "other", book, images_per_species=2, seed=6, size=32, workers=1)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert tree(tmp_path / "one") != tree(tmp_path / "other")


def test_complete_data_set_is_reused_and_another_is_not_overwritten(tmp_path):
    book = species_book(1, new=3, known=0)
    out = tmp_path / "birds"
    first = render_dataset(out, book, images_per_species=1, seed=5, size=32)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert render_dataset(out, book, images_per_species=1, seed=5, size=32) == first
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(InputError, match="seed"):
        render_dataset(out, book, images_per_species=1, seed=6, size=32)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match="not empty"):
        render_dataset(tmp_path / "mine", book, images_per_species=1, seed=6, size=32)


def test_interrupted_data_set_leaves_nothing(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_dataset(
            tmp_path / "birds", species_book(1, new=3, known=0), images_per_species=1, seed=5, size=32,
            progress=stop,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_script_without_a_guard_may_use_several_processes(tmp_path):
    script = f"""
from pathlib import Path
from fieldmark.aviary.world import dataset
from fieldmark.aviary.world import render_files
from fieldmark.aviary.world import species
render_files._SERIAL_LIMIT = 1
book = species.species_book(1, new=3, known=0)
out = Path({str(tmp_path / "birds")!r})
print(len(dataset.render_dataset(out, book, images_per_species=2, seed=5, size=32)))
"""
    for command, given in (([sys.executable, "-c", script], ""), ([sys.executable, "-"], script)):
        paths = os.pathsep.join(sys.path)
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": paths},
        )
        assert done.stdout == "6\n"


def test_a_process_that_dies_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("fieldmark.aviary.world.render_files._SERIAL_LIMIT", 1)
    book = species_book(1, new=3, known=0)
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(FieldmarkError, match="0 of 3"):
        render_dataset(tmp_path / "birds", book, images_per_species=1, seed=5, size=32)
    assert list(tmp_path.iterdir()) == []


def test_habitat_correlation_is_what_was_asked():
    book = species_book(1)
    home = {species.name: KIND_BY_NOUN[species.noun].habitat for species in book}

    def preferred(correlation):
        planned = plan_images(book, images_per_species=40, seed=1, habitat_correlation=correlation)
        return np.mean([one.habitat == home[one.species] for one in planned])

    assert abs(preferred(0.0) - 1 / 6) < 0.03
    assert abs(preferred(0.6) - (0.6 + 0.4 / 6)) < 0.03
    assert preferred(1.0) == 1


def test_truth_file_holds_no_absolute_path(tmp_path):
    render_dataset(tmp_path / "birds", species_book(1, new=3, known=0), images_per_species=1, seed=5, size=32)
    text = (tmp_path / "birds" / "truth.json").read_text() + (tmp_path / "birds" / "aviary.json").read_text()
    assert str(tmp_path) not in text and json.loads((tmp_path / "birds" / "aviary.json").read_text())
