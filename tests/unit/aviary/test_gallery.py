import io
import json

import numpy as np
import pytest
from PIL import Image

from fieldmark.aviary.guide.gallery import THUMBNAILS_FILE, Gallery
from fieldmark.aviary.world.conditions import HABITAT, LIGHT
from fieldmark.aviary.world.dataset import render_dataset
from fieldmark.aviary.world.flock import plan_flock, read_flock, render_flock
from fieldmark.aviary.world.species import species_book
from fieldmark.errors import InputError
from fieldmark.tools.images.decode import UnusableImageError


@pytest.fixture(scope="module")
def flock(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flock") / "birds"
    render_flock(folder, 40, seed=5, kind_share=0.3, workers=1)
    return folder


@pytest.fixture(scope="module")
def gallery(flock):
    return Gallery.of_folders([flock])


def encoded(picture, quality=75, kind="JPEG"):
    written = io.BytesIO()
    picture.save(written, kind, **({"quality": quality} if kind == "JPEG" else {}))
    return written.getvalue()


def values(truth):
    return truth.marks | {HABITAT: truth.habitat, LIGHT: truth.light}


def test_a_flock_is_a_flat_folder_whose_names_tell_nothing(flock):
    truth = read_flock(flock)
    assert sorted(p.name for p in flock.glob("*.jpg")) == [f"{n:05d}.jpg" for n in range(1, 41)]
    assert 0 < sum(t.kind is not None for t in truth) < 30
    assert render_flock(flock, 40, seed=5, kind_share=0.3) == truth
    assert plan_flock(10, seed=5, kind_share=0.3) == truth[:10]
    with pytest.raises(InputError, match="other settings"):
        render_flock(flock, 41, seed=5, kind_share=0.3)
    with pytest.raises(InputError, match="pictures"):
        plan = render_flock(flock.parent / "none", 0, seed=5)
        assert plan


def test_pictures_are_known_again_as_they_were_and_changed(flock, gallery):
    for truth in read_flock(flock):
        data = (flock / truth.file).read_bytes()
        original = gallery.look(data)
        assert original.values == values(truth)
        with Image.open(io.BytesIO(data)) as picture:
            rgb = picture.convert("RGB")
        for changed in (
            encoded(rgb.resize((64, 64), Image.Resampling.BICUBIC)),
            encoded(rgb, quality=40),
            encoded(rgb.resize((300, 300), Image.Resampling.LANCZOS), kind="PNG"),
        ):
            assert gallery.look(changed) == original


def test_strangers_are_not_known(flock, gallery, tmp_path):
    render_flock(tmp_path / "strangers", 40, seed=6, workers=1)
    for path in sorted((tmp_path / "strangers").glob("*.jpg")):
        assert gallery.look(path.read_bytes()) is None
    with Image.open(flock / "00001.jpg") as picture:
        assert gallery.look(encoded(picture.crop((24, 24, 104, 104)))) is None
    assert gallery.look(encoded(Image.new("RGB", (128, 128), (120, 130, 140)))) is None
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    assert gallery.look(encoded(Image.fromarray(noise))) is None
    with pytest.raises(UnusableImageError):
        gallery.look(b"no picture")


def test_a_gallery_without_pictures_knows_none(flock):
    assert Gallery.of_folders([]).look((flock / "00001.jpg").read_bytes()) is None


def test_thumbnails_are_kept_and_made_again_when_broken(flock, gallery, caplog):
    store = flock / THUMBNAILS_FILE
    kept = store.read_bytes()
    assert Gallery.of_folders([flock]).identity == gallery.identity
    assert store.read_bytes() == kept
    store.write_bytes(b"broken")
    assert Gallery.of_folders([flock]).identity == gallery.identity
    assert "made again" in caplog.text
    with np.load(store, allow_pickle=False) as again:
        assert again["thumbnails"].shape == (40, 16, 16, 3)


def test_data_sets_of_species_and_flocks_go_together(flock, gallery, tmp_path):
    book = species_book(1, 3, 0)
    truth = render_dataset(tmp_path / "species", book, images_per_species=2, seed=1)
    both = Gallery.of_folders([flock, tmp_path / "species"])
    assert len(both) == 46 and both.identity != gallery.identity
    shown = both.look((tmp_path / "species" / truth[0].file).read_bytes())
    marks = next(s.marks for s in book if s.name == truth[0].species)
    assert shown.values == dict(marks) | {HABITAT: truth[0].habitat, LIGHT: truth[0].light}
    with pytest.raises(InputError, match="no complete aviary data set"):
        Gallery.of_folders([tmp_path])
    assert json.loads((flock / "aviary.json").read_text())["kind"] == "flock"


def test_a_flock_that_another_process_drew_meanwhile_is_taken_and_something_else_is_not(tmp_path):
    out = tmp_path / "birds"
    begun = False

    def another(done, of):
        nonlocal begun
        if not begun:
            begun = True
            render_flock(out, 6, seed=1, workers=1)  # done before this one is

    render_flock(out, 6, seed=1, workers=1, progress=another)
    assert [path.name for path in tmp_path.iterdir()] == ["birds"]
    assert len(read_flock(out)) == 6

    other = tmp_path / "other"

    def in_the_way(done, of):
        other.mkdir(exist_ok=True)
        (other / "notes.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(InputError, match="no aviary data set"):
        render_flock(other, 6, seed=1, workers=1, progress=in_the_way)
    assert (other / "notes.txt").read_text(encoding="utf-8") == "mine"
