"""A book's pictures: drawn once, labelled by species, each with its truth."""

from pathlib import Path

from fieldmark.aviary.world.pictures import draw_pictures
from fieldmark.aviary.world.species import species_book
from fieldmark.tools.runs.events import Event, PicturesDrawn


def test_pictures_are_drawn_once_and_their_labels_are_the_species(tmp_path: Path) -> None:
    book = species_book(5, new=3, known=0)
    events: list[Event] = []
    drawn = draw_pictures(tmp_path, book, seed=5, images=2, progress=events.append)
    assert drawn.classes == tuple(species.name for species in book)
    assert sorted(str(image.label) for image in drawn.images) == sorted(drawn.classes * 2)
    assert [truth.species for truth in drawn.truths] == [image.label for image in drawn.images]
    assert events[-1] == PicturesDrawn(done=6, of=6)
    times = {image.path: image.path.stat().st_mtime_ns for image in drawn.images}
    assert draw_pictures(tmp_path, book, seed=5, images=2) == drawn
    assert {image.path: image.path.stat().st_mtime_ns for image in drawn.images} == times


def test_each_setting_has_a_folder_of_its_own(tmp_path: Path) -> None:
    book = species_book(5, new=3, known=0)
    for changed in ({}, {"correlation": 0.4}, {"difficulty": 2.5}, {"images": 2}):
        draw_pictures(tmp_path, book, **{"seed": 5, "images": 1, **changed})  # pyright: ignore[reportArgumentType]
    assert len(list(tmp_path.iterdir())) == 4
