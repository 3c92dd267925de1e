"""Draws a species book's pictures into a folder of their own, or takes those drawn before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldmark.aviary.world.dataset import ImageTruth, render_dataset
from fieldmark.aviary.world.species import Species, world_hash
from fieldmark.aviary.world.strangers import render_strangers
from fieldmark.tools.images.files import ImageFile, find_images
from fieldmark.tools.runs.events import PicturesDrawn, Progress, no_progress

NOUN = "bird"
"""The generic word for the classes of any world."""
TRAIN_SEED, POOL_SEED, BASE_SEED = 1_000_003, 2_000_003, 3_000_017
"""Added to a world's seed for training pictures, unlabelled ones and those of base classes: each set is drawn
apart from the test pictures."""


@dataclass(frozen=True)
class DrawnPictures:
    """Pictures with the truth about each.

    Attributes:
        classes: The species' names, in book order.
        images: The files in the order of their paths, each with its species as its label.
        truths: What each of them is of.
    """

    classes: tuple[str, ...]
    images: tuple[ImageFile, ...]
    truths: tuple[ImageTruth, ...]


def draw_pictures(
    home: Path,
    book: Sequence[Species],
    *,
    seed: int,
    images: int,
    correlation: float = 0.0,
    difficulty: float = 1.0,
    burst: int = 1,
    own_homes: bool = False,
    progress: Progress = no_progress,
) -> DrawnPictures:
    """Draw a book's pictures.

    Args:
        home: Folder for drawn pictures; a complete set of the same settings is reused.
        book: The species.
        seed: Decides everything about the pictures.
        images: Pictures of each species.
        correlation: Share of pictures in the habitat that the kind prefers; see `plan_images`.
        difficulty: How hard they are to see; see `render.render`.
        burst: How many in a row are of one bird; see `plan_images`.
        own_homes: Whether each species prefers a habitat of its own; see `plan_images`.
        progress: Shows progress.
    """
    name = f"{world_hash(book)[:16]}-{seed}-{images}" + (f"-{correlation}" if correlation else "")
    name += f"-hard{difficulty:g}" if difficulty != 1 else ""
    folder = home / (name + (f"-burst{burst}" if burst > 1 else "") + ("-homes" if own_homes else ""))
    planned = render_dataset(
        folder,
        book,
        images_per_species=images,
        seed=seed,
        habitat_correlation=correlation,
        difficulty=difficulty,
        burst=burst,
        own_homes=own_homes,
        progress=lambda done, of: progress(PicturesDrawn(done=done, of=of)),
    )
    truths = {folder / truth.file: truth for truth in planned}
    found = find_images(folder, labels_from_folders=True).images
    return DrawnPictures(
        classes=tuple(species.name for species in book),
        images=found,
        truths=tuple(truths[image.path] for image in found),
    )


def draw_strangers(home: Path, count: int, *, seed: int) -> tuple[ImageFile, ...]:
    """Draw images that show no bird, without a label.

    Args:
        home: Folder for drawn pictures; a complete set of the same settings is reused.
        count: How many; 0 draws none.
        seed: Decides everything about them.
    """
    if not count:
        return ()
    folder = home / f"strangers-{seed}-{count}"
    render_strangers(folder, count, seed=seed)
    return find_images(folder).images
