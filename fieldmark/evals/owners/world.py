"""The pictures of a simulation: one flock to talk about and learn from, one drawn apart to measure on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fieldmark.aviary.world.conditions import HABITAT, LIGHT
from fieldmark.aviary.world.flock import render_flock
from fieldmark.evals.owners.owner import PictureTruth
from fieldmark.evals.owners.rules import Values
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.pool import ImagePool, open_pool
from fieldmark.tools.images.files import find_images
from fieldmark.tools.runs.events import ImagesEncoded, PicturesDrawn, Progress

APART = 1_000_003
"""Added to the seed of the held-out flock."""


@dataclass(frozen=True)
class OwnersWorld:
    """Pictures, their vectors and the truth about them.

    Attributes:
        pool: What a conversation and a build may use.
        held_out: What everything is measured on.
        scene: The truth about both.
        folders: Where the pictures lie.
    """

    pool: ImagePool
    held_out: ImagePool
    scene: PictureTruth
    folders: tuple[Path, Path]


def draw_world(
    pictures: Path, encoder: Encoder, *, seed: int, pool: int, held_out: int, progress: Progress
) -> OwnersWorld:
    """Draw both flocks, or take those drawn before, and encode them.

    Every bird has the build of one of the ten kinds, as those that the bundled encoder was trained on;
    everything else about it is mixed freely.
    """

    def drawing(done: int, of: int) -> None:
        progress(PicturesDrawn(done=done, of=of))

    def encoding(done: int, of: int) -> None:
        progress(ImagesEncoded(done=done, of=of))

    folders = (pictures / f"kinds-{seed}-{pool}", pictures / f"kinds-{seed + APART}-{held_out}")
    scene: dict[str, Values] = {}
    pools: list[ImagePool] = []
    for folder, count, own in zip(folders, (pool, held_out), (seed, seed + APART), strict=True):
        truth = {
            each.file: each
            for each in render_flock(folder, count, seed=own, kind_share=1.0, progress=drawing)
        }
        images = find_images(folder).images
        pools.append(open_pool(images, encoder, progress=encoding))
        for image in images:
            found = truth[image.path.name]
            values: Mapping[str, str] = {**found.marks, HABITAT: found.habitat, LIGHT: found.light}
            scene[image.content_hash] = values
    return OwnersWorld(pools[0], pools[1], PictureTruth(scene), folders)
