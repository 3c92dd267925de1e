"""The embedded world as a data source: new species, a guide that makes mistakes, drawn pictures."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from pydantic import JsonValue

from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.aviary.world.pictures import NOUN, TRAIN_SEED, draw_pictures
from fieldmark.aviary.world.species import Species, species_book
from fieldmark.errors import InputError
from fieldmark.evals.table.aviary_settings import SETTINGS, AviaryWorld, settings_named
from fieldmark.evals.table.source import TrainingData, Workplace
from fieldmark.evals.table.test_set import TestSet
from fieldmark.tools.datasets.labelled import LabelledImages
from fieldmark.tools.datasets.shots import draw_shots, first
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.llm.scripted import NOTE
from fieldmark.tools.runs.events import SettingStarted

MOST_SHOTS = 16


@dataclass(frozen=True, kw_only=True)
class Aviary:
    """Images of made-up birds, and a guide that answers questions about them.

    Attributes:
        species: Species, the classes.
        images: Test images of each.
        mistakes: Share of wrong statements in the guide's answers, 0 to 0.6.
        seed: Seed of the species and of their images; the run's where not given.
        settings: Names of the test sets that `Evaluator` measures on: "new", "known", "habitat", "taxonomy",
            "vocabulary", or "all". The first where not given. `Optimizer` always searches on new species.

    Raises:
        InputError: An argument cannot be used.
    """

    species: int = 80
    images: int = 20
    mistakes: float = 0.15
    seed: int | None = None
    settings: Sequence[str] = ()

    kind = "aviary"
    clip = "aviary"
    noun = NOUN
    notes = (NOTE,)

    def __post_init__(self) -> None:
        for name, least, most in (("species", 3, 4000), ("images", 1, 10_000), ("mistakes", 0, 0.6)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise InputError(
                    f"{name} cannot be {value!r}.", hint=f"Give {least} to {most:,}.", field=name
                )
        settings_named(self.settings)

    def stated(self) -> dict[str, JsonValue]:
        """The arguments that make it again, as a run keeps them."""
        return {**asdict(self), "settings": list(self.settings)}

    def class_names(self, seed: int) -> tuple[str, ...]:
        """The names of the new species."""
        return tuple(species.name for species in self._new_species(seed))

    def check_shots(self, shots: int) -> None:
        """Refuse more training images a class than are drawn."""
        if not 1 <= shots <= MOST_SHOTS:
            raise InputError(f"The aviary has 1 to {MOST_SHOTS} shots, not {shots}.", field="shots")

    @asynccontextmanager
    async def training_data(self, work: Workplace) -> AsyncIterator[TrainingData]:
        """Draw the world and start the guide."""
        species = self._new_species(work.seed)
        began = time.perf_counter()
        images = self._drawn(species, work)
        render = time.perf_counter() - began
        guide = Guide(species, GuideSettings(mistakes=self.mistakes))
        async with asked_over_http(guide, store=work.answers, limits=work.limits) as llm:
            yield TrainingData(images=images, llm=llm, render=render)

    def settings_named(self) -> tuple[str, ...]:
        """Names of the test sets to measure on."""
        return settings_named(self.settings)

    @asynccontextmanager
    async def test_data(
        self, setting: str, work: Workplace
    ) -> AsyncIterator[tuple[TestSet, AskedModel | None]]:
        """Draw a setting and start its guide."""
        work.progress(SettingStarted(name=setting))
        world = AviaryWorld(
            seed=self._seed(work.seed),
            species=self.species,
            images=self.images,
            shots=work.shots,
            pictures=work.folder,
            progress=work.progress,
        )
        test, book = SETTINGS[setting](world)  # the guide's book may hold more than the classes
        guide = Guide(book, GuideSettings(mistakes=self.mistakes))
        async with asked_over_http(guide, store=work.answers, limits=work.limits) as llm:
            yield test, llm

    def _seed(self, seed: int) -> int:
        return seed if self.seed is None else self.seed

    def _new_species(self, seed: int) -> tuple[Species, ...]:
        return species_book(self._seed(seed), new=self.species, known=0)

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
