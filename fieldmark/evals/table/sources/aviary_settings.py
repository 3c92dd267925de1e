"""The aviary's settings for comparing methods, each a test set with what methods may use beside it."""

import random
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

from fieldmark.aviary.world.attributes import ATTRIBUTES, HABITATS, KIND_BY_NOUN, LIGHTS
from fieldmark.aviary.world.dataset import ImageTruth
from fieldmark.aviary.world.flock import render_flock
from fieldmark.aviary.world.grammar import caption, habitat_phrases, light_phrases, phrase
from fieldmark.aviary.world.pictures import (
    BASE_SEED,
    NOUN,
    POOL_SEED,
    TRAIN_SEED,
    draw_pictures,
    draw_strangers,
)
from fieldmark.aviary.world.species import Species, known_species, world_hash
from fieldmark.aviary.world.strangers import stranger_captions
from fieldmark.aviary.world.together import render_together
from fieldmark.errors import InputError
from fieldmark.evals.table.test_set import ImageFactor, TestSet
from fieldmark.evals.worlds.conditions import Names, WorldConditions
from fieldmark.evals.worlds.draw import draw_species, listed_species, present_classes, weakness_of
from fieldmark.tools.datasets.shots import draw_shots, first
from fieldmark.tools.images.files import ImageFile, find_images
from fieldmark.tools.runs.events import PicturesDrawn, Progress, no_progress

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
    ImageFactor("background", tuple(habitat_phrases(habitat) for habitat in HABITATS)),
    ImageFactor("light", tuple(light_phrases(light) for light in LIGHTS)),
)
_FLOCK = 400
"""Pictures of the setting "marks"."""
_HARD = 2.5
"""How hard pictures of known species are to see: at 1 every method would be right about all of them."""


@dataclass(frozen=True, kw_only=True)
class AviaryWorld(WorldConditions):
    """What is drawn: conditions, of which each setting has its own names, and what methods may use.

    Images of no class stand in the pool of unlabelled pictures: test pictures all have a class.

    Attributes:
        seed: Seed of the species and of their pictures.
        shots: Labelled pictures of each class.
        pool: Unlabelled pictures of each species.
        base: Known species beside new ones, to learn on; at most three for every four new ones.
        base_images: Labelled pictures of each of them.
        pictures: Folder for drawn pictures; complete sets are reused.
        progress: Shows progress.
    """

    seed: int
    shots: int = 4
    pool: int = 10
    base: int = 60
    base_images: int = 12
    pictures: Path
    progress: Progress = no_progress


def new_species(world: AviaryWorld) -> tuple[TestSet, tuple[Species, ...]]:
    """Species whose names say nothing to the model, in families of look-alikes.

    Beside them stand species that the model knows, with labelled pictures: what is learned there may carry
    over to the new ones. The guide knows both, and is as often wrong about either.
    """
    test, book = _of_species(world, "new", "new")
    rng = random.Random(f"fieldmark aviary base {world.seed}")
    others = tuple(rng.sample(known_species(), min(world.base, 3 * world.species // 4)))
    began = time.perf_counter()
    base, _ = _drawn(world, others, BASE_SEED, world.base_images)
    drawing = time.perf_counter() - began
    return replace(test, base=base, render=test.render + drawing), (*book, *others)


def known_birds(world: AviaryWorld) -> tuple[TestSet, tuple[Species, ...]]:
    """Species that the model knows by name: what most public test sets are to CLIP."""
    return _of_species(world, "known", "known", difficulty=_HARD)


def taxonomy(world: AviaryWorld) -> tuple[TestSet, tuple[Species, ...]]:
    """New and known species in one tree: what the model knows by name, and what it knows by its place alone.

    The observed classes are the known species. The names of the others say nothing to the model, but the tree
    tells where they stand.
    """
    test, book = _of_species(world, "taxonomy", "mixed")
    listed = set(test.classes)
    known = tuple(species.name for species in book if species.known and species.name in listed)
    return replace(test, observed=known), book


def habitat(world: AviaryWorld) -> tuple[TestSet, tuple[Species, ...]]:
    """Kinds of birds as classes: the model saw each of them mostly in one habitat, the test does not.

    Groups are kind × whether the bird is where its kind was mostly seen. Of the pictures that
    the bundled model was trained on 60% of a kind showed its habitat; here half do, so that both groups are
    measured well.
    """
    _refuse_unlisted(world, "habitat", "classes are kinds of birds")
    book = draw_species(replace(world, names="new"), world.seed)
    began = time.perf_counter()
    kinds = {species.name: species.noun for species in book}
    images, truths = _drawn(world, book, 0, world.images, correlation=0.4)
    train, _ = _drawn(world, book, TRAIN_SEED, 2, correlation=0.6)
    train = _relabelled(train, kinds)
    few = draw_shots([image.label for image in train], shots=world.shots, draw=first)
    pool, seen = _drawn(world, book, POOL_SEED, world.pool, correlation=0.6)
    strangers = draw_strangers(world.pictures, world.strangers, seed=world.seed)
    nouns = tuple(dict.fromkeys(kinds.values()))
    own = [truth.habitat == KIND_BY_NOUN[kinds[truth.species]].habitat for truth in truths]
    places = [
        kinds[t.species] + (" at home" if at else " elsewhere") for t, at in zip(truths, own, strict=True)
    ]
    test = TestSet(
        data="aviary",
        setting="habitat",
        classes=nouns,
        noun=NOUN,
        images=_relabelled(images, kinds),
        groups=tuple(places),
        train=tuple(train[place] for place in sorted(few)),
        pool=(*_relabelled(pool, kinds), *strangers),
        captions=(*pool_captions(seen, book), *stranger_captions(world.strangers)),
        parents=_above(nouns),
        factors=CONTEXTS,
        templates=TEMPLATES,
        questions=QUESTIONS,
        concept=NOUN,
        render=time.perf_counter() - began,
        weakness=weakness_of(world, world.seed),
        notes=("Groups: each kind of bird in the habitat it was mostly seen in, and elsewhere.",),
    )
    return test, book


def vocabulary_free(world: AviaryWorld) -> tuple[TestSet, tuple[Species, ...]]:
    """Known species whose names no method is given: words are found in captions of other pictures.

    No labelled pictures either: a label is a name.
    """
    test, book = known_birds(world)
    note = "The class names are kept from the methods and used to measure alone."
    return replace(test, setting="vocabulary", names_given=False, train=(), notes=(*test.notes, note)), book


def together(world: AviaryWorld) -> tuple[TestSet, tuple[Species, ...]]:
    """One or two birds in a picture; the model knows half of the species by name."""
    _refuse_unlisted(world, "together", "a picture shows listed species alone")
    began = time.perf_counter()
    book = draw_species(replace(world, names="mixed"), world.seed)
    most = max(1, world.images // 2)  # each species also stands beside others
    folder = world.pictures / f"together-{world_hash(book)[:16]}-{world.seed}-{most}"
    planned = render_together(
        folder,
        book,
        images_per_species=most,
        seed=world.seed,
        progress=lambda done, of: world.progress(PicturesDrawn(done=done, of=of)),
    )
    test = TestSet(
        data="aviary",
        setting="together",
        classes=tuple(species.name for species in book),
        noun=NOUN,
        images=find_images(folder).images,
        shown=tuple(frozenset(each.species) for each in planned),
        templates=TEMPLATES,
        questions=QUESTIONS,
        concept=NOUN,
        weakness=weakness_of(world, world.seed),
        render=time.perf_counter() - began,
    )
    return test, book


def marks(world: AviaryWorld) -> tuple[TestSet, tuple[Species, ...]]:
    """Marks as classes ("red cap"), of birds that mix them freely: nobody is asked about them."""
    _refuse_unlisted(world, "marks", "classes are marks")
    began = time.perf_counter()
    folder = world.pictures / f"marks-{world.seed}-{_FLOCK}"
    drawn = render_flock(
        folder,
        _FLOCK,
        seed=world.seed,
        progress=lambda done, of: world.progress(PicturesDrawn(done=done, of=of)),
    )
    named = {
        phrase(each.key, value).removeprefix("a ").removeprefix("an "): (each.key, value)
        for each in ATTRIBUTES
        for value in each.present_values
    }
    test = TestSet(
        data="aviary",
        setting="marks",
        classes=tuple(named),
        noun=NOUN,
        images=find_images(folder).images,
        shown=tuple(
            frozenset(name for name, (key, value) in named.items() if truth.marks[key] == value)
            for truth in drawn
        ),
        templates=("a photo of a bird with a {}.", "a bird, which has a {}."),
        concept=NOUN,
        weakness=weakness_of(world, world.seed),
        render=time.perf_counter() - began,
    )
    return test, ()


def _refuse_unlisted(world: AviaryWorld, setting: str, why: str) -> None:
    if world.unlisted or world.present < 1:
        raise InputError(
            f"In the setting {setting} {why}: none is unlisted, and all have images.",
            hint="Leave this setting out, or these conditions.",
            field="unlisted" if world.unlisted else "present",
        )


Setting = Callable[[AviaryWorld], tuple[TestSet, tuple[Species, ...]]]

SETTINGS: dict[str, Setting] = {
    "new": new_species,
    "known": known_birds,
    "habitat": habitat,
    "taxonomy": taxonomy,
    "vocabulary": vocabulary_free,
    "together": together,
    "marks": marks,
}
"""Name of each setting; the first one is what "aviary" means by itself."""


def _of_species(
    world: AviaryWorld, setting: str, names: Names, *, difficulty: float = 1.0
) -> tuple[TestSet, tuple[Species, ...]]:
    """A test set whose classes are species, and all species, listed or not."""
    began = time.perf_counter()
    named = replace(world, names=names)
    book = draw_species(named, world.seed)
    listed = listed_species(book, named, world.seed)
    classes = tuple(species.name for species in listed)
    present = present_classes(classes, named, world.seed)
    absent = frozenset(classes) - present
    drawn = _drawn(world, book, 0, world.images, difficulty=difficulty)
    images, truths = _only(drawn, present)
    train: tuple[ImageFile, ...] = ()
    if world.shots:
        train, _ = _drawn(world, listed, TRAIN_SEED, world.shots, difficulty=difficulty)
    drawn = _drawn(world, book, POOL_SEED, world.pool, difficulty=difficulty)
    pool, seen = _only(drawn, {species.name for species in book} - absent)
    strangers = draw_strangers(world.pictures, world.strangers, seed=world.seed)
    test = TestSet(
        data="aviary",
        setting=setting,
        classes=classes,
        noun=NOUN,
        images=images,
        groups=tuple(truth.habitat for truth in truths),
        train=train,
        pool=(*pool, *strangers),
        captions=(*pool_captions(seen, book), *stranger_captions(world.strangers)),
        parents=_tree(listed),
        factors=CONTEXTS,
        templates=TEMPLATES,
        questions=QUESTIONS,
        concept=NOUN,
        weakness=weakness_of(world, world.seed),
        render=time.perf_counter() - began,
        notes=("Groups: the habitats that the birds are seen in.",),
    )
    return test, book


def _only(
    drawn: tuple[tuple[ImageFile, ...], tuple[ImageTruth, ...]], names: Set[str]
) -> tuple[tuple[ImageFile, ...], tuple[ImageTruth, ...]]:
    """The pictures of some species, and the truth about each."""
    kept = [truth.species in names for truth in drawn[1]]
    return tuple(compress(drawn[0], kept)), tuple(compress(drawn[1], kept))


def _tree(book: Sequence[Species]) -> dict[str, str]:
    """Species → family of look-alikes → kind → build → bird; known species have no family."""
    parents = _above([species.noun for species in book])
    for species in book:
        if species.known:
            parents[species.name] = species.noun
        else:
            parents[species.name] = species.family
            parents[species.family] = species.noun
    return parents


def _above(nouns: Sequence[str]) -> dict[str, str]:
    """Kind → build → bird."""
    parents: dict[str, str] = {}
    for noun in dict.fromkeys(nouns):
        marks = KIND_BY_NOUN[noun].marks
        small = "small birds" if marks["size"] == "small" else "stout birds"
        parents[noun] = "long-legged birds" if marks["leg_length"] == "long" else small
        parents[parents[noun]] = NOUN
    return parents


def pool_captions(truths: Sequence[ImageTruth], book: Sequence[Species]) -> tuple[str, ...]:
    """A caption for each picture: a name that people know, else the kind, and a few attribute values."""
    species = {each.name: each for each in book}
    written: list[str] = []
    for truth in truths:
        own = species[truth.species]
        rng = random.Random(f"fieldmark aviary pool caption {truth.seed}")
        subject = own.name if own.known and rng.random() < 0.7 else own.noun
        written.append(caption(own.marks, truth.habitat, truth.light, rng, subject=subject))
    return tuple(written)


def _drawn(
    world: AviaryWorld,
    book: tuple[Species, ...],
    offset: int,
    images: int,
    *,
    correlation: float = 0.0,
    difficulty: float = 1.0,
) -> tuple[tuple[ImageFile, ...], tuple[ImageTruth, ...]]:
    """Pictures and the truth about each, in the order of the files."""
    drawn = draw_pictures(
        world.pictures,
        book,
        seed=world.seed + offset,
        images=images,
        correlation=max(correlation, world.habitats),
        difficulty=difficulty,
        burst=world.burst,
        own_homes=world.habitats > 0,
        progress=world.progress,
    )
    return drawn.images, drawn.truths


def _relabelled(images: Sequence[ImageFile], labels: dict[str, str]) -> tuple[ImageFile, ...]:
    return tuple(replace(image, label=labels[str(image.label)]) for image in images)
