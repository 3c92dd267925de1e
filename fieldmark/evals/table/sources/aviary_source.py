"""The embedded world as a data source: new species, a guide that makes mistakes, drawn pictures."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields

from pydantic import JsonValue

from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.aviary.guide.sight import Sight
from fieldmark.aviary.world.pictures import NOUN, TRAIN_SEED, draw_pictures
from fieldmark.aviary.world.species import Species
from fieldmark.errors import InputError
from fieldmark.evals.table.chosen_names import settings_named
from fieldmark.evals.table.sources.aviary_settings import SETTINGS, AviaryWorld
from fieldmark.evals.table.sources.source import TestData, TrainingData, Workplace
from fieldmark.evals.worlds.conditions import BOUNDS, CLEAR, Names, WorldConditions
from fieldmark.evals.worlds.draw import draw_species, weakness_of
from fieldmark.tools.datasets.labelled import LabelledImages
from fieldmark.tools.datasets.shots import draw_shots, first
from fieldmark.tools.llm.scripted import NOTE
from fieldmark.tools.runs.events import SettingStarted

MOST_SHOTS = 16
_SETTING_OF: dict[Names, str] = {"new": "new", "mixed": "taxonomy", "known": "known"}


@dataclass(frozen=True, kw_only=True)
class Aviary(WorldConditions):
    """Images of made-up birds, and a guide that answers questions about them.

    `Aviary(**vars(MIDDLE))` is a world in the middle of what can go wrong. For `Evaluator` images of no class
    stand in the pool of unlabelled images; `Optimizer` has no use for them.

    Attributes:
        seed: Seed of the species and of their images; the run's where not given.
        settings: Names of the test sets that `Evaluator` measures on: "new", "known", "habitat", "taxonomy",
            "vocabulary", "together", "marks", or "all". Where not given, that of the names: "taxonomy" has
            mixed ones.

    Raises:
        InputError: An argument cannot be used.
    """

    seed: int | None = None
    settings: Sequence[str] = ()

    kind = "aviary"
    clip = "aviary"
    noun = NOUN

    def __post_init__(self) -> None:
        super().__post_init__()
        settings_named(self.settings)
        if self.settings and self.names != "new":
            raise InputError(
                "The settings have names of their own.",
                hint="Leave names or settings out.",
                field="names, settings",
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of results must know."""
        harder = [
            f"{name} {getattr(self, name)}"
            for name in BOUNDS
            if name not in ("species", "images") and getattr(self, name) != getattr(CLEAR, name)
        ]
        return (NOTE, f"The world is not the clear one: {', '.join(harder)}.") if harder else (NOTE,)

    def stated(self) -> dict[str, JsonValue]:
        """The arguments that make it again, as a run keeps them."""
        return {**asdict(self), "settings": list(self.settings)}

    def class_names(self, seed: int) -> tuple[str, ...]:
        """The names of the species."""
        return tuple(species.name for species in draw_species(self, self._seed(seed)))

    def check_shots(self, shots: int) -> None:
        """Refuse more training images a class than are drawn, and images that a search has no use for."""
        pool = ("unlisted", "present", "strangers")
        unused = [name for name in pool if getattr(self, name) != getattr(CLEAR, name)]
        if unused:
            raise InputError(
                "A prompt search scores each image by itself: it has no pool.",
                hint=f"Leave {', '.join(unused)} out.",
                field=", ".join(unused),
            )
        if not 1 <= shots <= MOST_SHOTS:
            raise InputError(f"The aviary has 1 to {MOST_SHOTS} shots, not {shots}.", field="shots")

    @asynccontextmanager
    async def training_data(self, work: Workplace) -> AsyncIterator[TrainingData]:
        """Draw the world and start the guide."""
        seed = self._seed(work.seed)
        species = draw_species(self, seed)
        began = time.perf_counter()
        images = self._drawn(species, work)
        render = time.perf_counter() - began
        guide = Guide(species, GuideSettings(mistakes=self.mistakes))
        async with asked_over_http(guide, store=work.answers, limits=work.limits) as llm:
            yield TrainingData(images=images, llm=llm, render=render, weakness=weakness_of(self, seed))

    def settings_named(self) -> tuple[str, ...]:
        """Names of the test sets to measure on."""
        return settings_named(self.settings or (_SETTING_OF[self.names],))

    @asynccontextmanager
    async def test_data(self, setting: str, work: Workplace) -> AsyncIterator[TestData]:
        """Draw a setting and start its guide; another one that sees its pictures, where that is wanted."""
        work.progress(SettingStarted(name=setting))
        conditions = {each.name: getattr(self, each.name) for each in fields(WorldConditions)}
        world = AviaryWorld(
            **conditions,
            seed=self._seed(work.seed),
            shots=work.shots,
            pictures=work.folder,
            progress=work.progress,
        )
        test, book = SETTINGS[setting](world)  # the guide's book may hold more than the classes
        if not book:
            yield TestData(test=test, llm=None)
            return
        settings, asked = (
            GuideSettings(mistakes=self.mistakes),
            {"store": work.answers, "limits": work.limits},
        )
        async with asked_over_http(Guide(book, settings), **asked) as llm:
            if not work.looks:
                yield TestData(test=test, llm=llm)
                return
            folders = {image.path.parents[1] for image in (*test.images, *test.train)}
            sight = Sight(Gallery.of_folders(sorted(folders)))
            async with asked_over_http(Guide(book, settings, sight=sight), beside=llm, **asked) as vlm:
                yield TestData(test=test, llm=llm, vlm=vlm)

    def _seed(self, seed: int) -> int:
        return seed if self.seed is None else self.seed

    def _drawn(self, book: Sequence[Species], work: Workplace) -> LabelledImages:
        """Draw the training and the test images, each from seeds of its own, or take those drawn before."""
        seed = self._seed(work.seed)
        train = draw_pictures(
            work.folder, book, seed=seed + TRAIN_SEED, images=MOST_SHOTS, progress=work.progress
        ).images
        few = draw_shots([image.label for image in train], shots=work.shots, draw=first)
        test = draw_pictures(work.folder, book, seed=seed, images=self.images, progress=work.progress)
        return LabelledImages(
            classes=test.classes, train=tuple(train[place] for place in sorted(few)), test=test.images
        )
