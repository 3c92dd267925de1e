"""The aviary's five settings for comparing methods, each a test set with what methods may use beside it.

It knows nothing of methods, encoders or the guide.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fieldmark.agents.context import Report, say_nothing
from fieldmark.errors import InputError
from fieldmark.evals.aviary.attributes import HABITATS, KIND_BY_NOUN, LIGHTS
from fieldmark.evals.aviary.dataset import TRUTH_FILE, ImageTruth, read_truth, render_dataset
from fieldmark.evals.aviary.grammar import caption, habitat_phrases, light_phrases
from fieldmark.evals.aviary.species import Species, known_species, species_book, world_hash
from fieldmark.evals.table.test_set import Factor, TestSet
from fieldmark.tools.images import ImageFile, find_images

NOUN = "bird"
TEMPLATES = (
    "a photo of a {}, a type of bird.",
    "a picture of a {} outdoors.",
    "a {}, a bird.",
)
QUESTIONS = (
    "Which colours does the plumage of a {} show in a photo?",
    "What do the head and the bill of a {} look like in a photo?",
    "What do the wings, the tail and the legs of a {} look like in a photo?",
)
CONTEXTS = (
    Factor("background", tuple(habitat_phrases(habitat) for habitat in HABITATS)),
    Factor("light", tuple(light_phrases(light) for light in LIGHTS)),
)
_TRAIN, _POOL = 1_000_003, 2_000_003
"""Added to the seed of the training pictures and of the pool: each is drawn apart from the test pictures."""


@dataclass(frozen=True, kw_only=True)
class AviaryWorld:
    """What is drawn.

    Attributes:
        seed: Seed of the species and of their pictures.
        species: Classes of a setting whose classes are species.
        images: Test pictures of each.
        shots: Labelled pictures of each.
        pool: Unlabelled pictures of each.
        pictures: Folder for drawn pictures; complete sets are reused.
        report: Shows progress.
    """

    seed: int
    species: int = 80
    images: int = 20
    shots: int = 16
    pool: int = 10
    pictures: Path
    report: Report = say_nothing
    seconds: list[float] = field(default_factory=list[float])


def new_species(world: AviaryWorld) -> tuple[TestSet, tuple[Species, ...]]:
    """Species whose names say nothing to the model, in families of look-alikes."""
    return _of_species(world, "new", species_book(world.seed, new=world.species, known=0))


def known_birds(world: AviaryWorld) -> tuple[TestSet, tuple[Species, ...]]:
    """Species that the model knows by name: what most public test sets are to CLIP."""
    return _of_species(world, "known", species_book(world.seed, new=0, known=world.species))


def taxonomy(world: AviaryWorld) -> tuple[TestSet, tuple[Species, ...]]:
    """New and known species in one tree; a base model that knows every second one guesses at all of them."""
    book = species_book(world.seed, new=world.species // 2, known=world.species - world.species // 2)
    test, book = _of_species(world, "taxonomy", book)
    return replace(test, observed=tuple(species.name for species in book[::2])), book
