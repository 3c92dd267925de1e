"""Draws what a world's conditions ask for: species, the pool of images, labelled ones apart, blind spots."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY, HABITATS, KEYS
from fieldmark.aviary.world.dataset import home_of
from fieldmark.aviary.world.grammar import phrase
from fieldmark.aviary.world.pictures import NOUN, TRAIN_SEED, DrawnPictures, draw_pictures, draw_strangers
from fieldmark.aviary.world.species import Species, species_book
from fieldmark.evals.worlds.conditions import WorldConditions
from fieldmark.tools.books.wording import descriptor_text
from fieldmark.tools.clip.weakened import Weakness
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.runs.events import Progress, no_progress

_SMALLEST_FAMILY = 3


@dataclass(frozen=True, kw_only=True)
class DrawnWorld:
    """What was drawn.

    Attributes:
        species: All species, listed or not; the guide knows them all.
        classes: Names of the listed ones, in their order.
        images: The pool. Each image has its species as its label; one that shows no bird has none.
        labelled: Other images of the listed species, for calibration; none of them is in the pool.
        prior: Content hash → how likely each class is in the image's habitat, in the order of the classes;
            empty where habitats tell nothing.
        groups: Content hash → the bird that it is a picture of; empty where each is of another.
    """

    species: tuple[Species, ...]
    classes: tuple[str, ...]
    images: tuple[ImageFile, ...]
    labelled: tuple[ImageFile, ...]
    prior: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)


def draw_world(
    conditions: WorldConditions,
    *,
    seed: int,
    pictures: Path,
    labels: int = 0,
    progress: Progress = no_progress,
) -> DrawnWorld:
    """Draw a world; the same conditions and seed give the same one.

    Args:
        conditions: How hard it is.
        seed: Decides everything else.
        pictures: Folder for drawn pictures; complete sets are reused.
        labels: Labelled images of each class beside the pool.
        progress: Shows progress.
    """
    book = draw_species(conditions, seed)
    listed = listed_species(book, conditions, seed)
    classes = tuple(species.name for species in listed)
    absent = set(classes) - present_classes(classes, conditions, seed)
    birds = draw_pictures(
        pictures,
        book,
        seed=seed,
        images=conditions.images,
        correlation=conditions.habitats,
        burst=conditions.burst,
        own_homes=conditions.habitats > 0,
        progress=progress,
    )
    drawn = birds.images
    labelled: tuple[ImageFile, ...] = ()
    if labels:
        labelled = draw_pictures(
            pictures, listed, seed=seed + TRAIN_SEED, images=labels, progress=progress
        ).images
    strangers = draw_strangers(pictures, conditions.strangers, seed=seed)
    return DrawnWorld(
        species=book,
        classes=classes,
        images=(*(image for image in drawn if image.label not in absent), *strangers),
        labelled=labelled,
        prior=habitat_prior(birds, listed, conditions, seed) if conditions.habitats else {},
        groups=bursts_of(birds, conditions.burst) if conditions.burst > 1 else {},
    )


def habitat_prior(
    birds: DrawnPictures, listed: Sequence[Species], conditions: WorldConditions, seed: int
) -> dict[str, tuple[float, ...]]:
    """How likely each class is where a picture was taken, by content hash."""
    rest = (1 - conditions.habitats) / len(HABITATS)
    here: dict[str, tuple[float, ...]] = {}
    for habitat in HABITATS:
        home = [home_of(species, seed) == habitat for species in listed]
        seen = [rest + conditions.habitats * at for at in home]
        total = sum(seen)
        here[habitat] = tuple(each / total if total else 1 / len(listed) for each in seen)
    return {
        image.content_hash: here[truth.habitat]
        for image, truth in zip(birds.images, birds.truths, strict=True)
    }


def bursts_of(birds: DrawnPictures, burst: int) -> dict[str, str]:
    """The bird that each picture shows, by content hash: so many pictures of a species in a row show one."""
    place: Counter[str] = Counter()
    found: dict[str, str] = {}
    for image in birds.images:
        species = str(image.label)
        found[image.content_hash] = f"{species} {place[species] // burst + 1}"
        place[species] += 1
    return found


def draw_species(conditions: WorldConditions, seed: int) -> tuple[Species, ...]:
    """All species of a world, new ones first."""
    known = conditions.known_species
    new = conditions.species - known
    # Books hold whole families; of one that is smaller the first members are taken.
    book = species_book(seed, new=max(new, _SMALLEST_FAMILY) if new else 0, known=known)
    return (*book[:new], *book[len(book) - known :])


def listed_species(book: Sequence[Species], conditions: WorldConditions, seed: int) -> tuple[Species, ...]:
    """The species that are classes, in the order of the book."""
    rng = random.Random(f"fieldmark aviary unlisted {seed}")
    unlisted = set(rng.sample(range(len(book)), conditions.unlisted_species))
    return tuple(species for place, species in enumerate(book) if place not in unlisted)


def present_classes(classes: Sequence[str], conditions: WorldConditions, seed: int) -> set[str]:
    """The classes that have images in the pool, at least one."""
    count = max(1, round(conditions.present * len(classes)))
    return set(random.Random(f"fieldmark aviary present {seed}").sample(classes, count))


def unseen_attributes(conditions: WorldConditions, seed: int) -> tuple[str, ...]:
    """Keys of the attributes that image vectors do not show; more of them add to fewer."""
    keys = random.Random(f"fieldmark aviary blind {seed}").sample(KEYS, len(KEYS))
    return tuple(keys[: conditions.blind])


def weakness_of(conditions: WorldConditions, seed: int) -> Weakness:
    """What is taken from the encoder: noise, and what sets the values of unseen attributes apart."""
    return Weakness(
        image_noise=conditions.image_noise,
        text_noise=conditions.text_noise,
        blind=tuple(blind_group(key) for key in unseen_attributes(conditions, seed)),
    )


def blind_group(key: str) -> tuple[str, ...]:
    """A text for each value of an attribute."""
    return tuple(descriptor_text(NOUN, phrase(key, value)) for value in ATTRIBUTE_BY_KEY[key].values)
