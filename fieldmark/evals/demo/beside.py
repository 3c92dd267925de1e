"""What the studio's demo has beside it: drawn pictures, and the script that answers for a language model.

`python -m fieldmark.evals.demo.beside FLOCK SPECIES` serves the script until its standard input is closed, so
that it ends with whoever started it, however that ends.
"""

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import GuideServer
from fieldmark.aviary.guide.sight import Sight, SightSettings
from fieldmark.aviary.world.dataset import CLASSES_FILE, MARKER_FILE, read_truth, render_dataset
from fieldmark.aviary.world.flock import render_flock
from fieldmark.aviary.world.species import species_book
from fieldmark.evals.owners.rules import RULE_BY_KEY, Rule

FLOCK = 2000
SPECIES, IMAGES = 20, 20
SEED = 7
IDEA: Rule = RULE_BY_KEY["warm"]
"""An idea to begin with: its owner's words for it."""


@dataclass(frozen=True)
class DemoPictures:
    """Pictures of the demo.

    Attributes:
        flock: Freely mixed birds, a pool for concepts.
        species: Species in folders, to be told apart.
    """

    flock: Path
    species: Path

    @property
    def classes(self) -> Path:
        """The names of the species, one a line."""
        return self.species / CLASSES_FILE


def draw_pictures(
    folder: Path,
    *,
    flock: int = FLOCK,
    species: int = SPECIES,
    progress: Callable[[int, int], None] | None = None,
) -> DemoPictures:
    """Draw the pictures, or take those drawn before, by whichever version.

    Args:
        folder: Where they go.
        flock: How many freely mixed birds.
        species: How many species, of 20 pictures each.
        progress: Called with (pictures done, pictures in all) now and then.
    """
    made = DemoPictures(folder / "birds", folder / "look-alike birds")

    def drawing(before: int) -> Callable[[int, int], None]:
        return lambda done, _: None if progress is None else progress(before + done, flock + species * IMAGES)

    if not (made.flock / MARKER_FILE).is_file():
        # The build of every bird is one that the bundled encoder was trained on, as in `concept simulate`.
        render_flock(made.flock, flock, seed=SEED, kind_share=1.0, progress=drawing(0))
    if not (made.species / MARKER_FILE).is_file():
        book = species_book(SEED, new=species, known=0)
        render_dataset(made.species, book, images_per_species=IMAGES, seed=SEED, progress=drawing(flock))
    return made


def serve_until_left(pictures: DemoPictures) -> None:
    """Serve the script that knows these pictures; says where and how it is called as a line of JSON."""
    sight = Sight(Gallery.of_folders([pictures.flock, pictures.species]), SightSettings())
    with GuideServer(Guide(read_truth(pictures.species)[0], sight=sight)) as server:
        said = json.dumps({"base_url": server.base_url, "model": server.model})
        print(said, flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started it
    serve_until_left(DemoPictures(Path(sys.argv[1]), Path(sys.argv[2])))
