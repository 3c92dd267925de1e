"""A prompt search on the embedded world: new species, a guide that makes mistakes, drawn pictures."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldmark.agents.optimize.options import OptimizeOptions
from fieldmark.agents.optimize.search_run import OptimizeResult, Optimizing, optimize
from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.aviary.world.pictures import NOUN, TRAIN_SEED, draw_pictures
from fieldmark.aviary.world.species import Species, species_book
from fieldmark.cache.bytestore import ByteStore
from fieldmark.records import Limits, PromptBook
from fieldmark.tools.books.descriptions import GivenTexts
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.datasets.labelled import LabelledImages
from fieldmark.tools.datasets.shots import draw_shots, first
from fieldmark.tools.llm.scripted import NOTE
from fieldmark.tools.runs.events import Progress
from fieldmark.tools.runs.run import Run

MOST_SHOTS = 16


@dataclass(frozen=True, kw_only=True)
class AviarySettings:
    """The world of the search.

    Attributes:
        seed: Seed of the species book and of its pictures.
        species: New species.
        images: Test pictures of each.
        shots: Training pictures of each, 1 to 16.
        mistakes: Share of wrong statements in the guide's answers.
    """

    seed: int = 0
    species: int = 80
    images: int = 20
    shots: int = 1
    mistakes: float = 0.15


def aviary_classes(settings: AviarySettings) -> tuple[str, ...]:
    """The class names of a world."""
    return tuple(species.name for species in species_book(settings.seed, new=settings.species, known=0))


def aviary_images(
    book: Sequence[Species], settings: AviarySettings, *, pictures: Path, progress: Progress
) -> LabelledImages:
    """Draw the training and the test pictures, each from seeds of its own, or take those drawn before."""
    train = draw_pictures(
        pictures, book, seed=settings.seed + TRAIN_SEED, images=MOST_SHOTS, progress=progress
    ).images
    few = draw_shots([image.label for image in train], shots=settings.shots, draw=first)
    test = draw_pictures(pictures, book, seed=settings.seed, images=settings.images, progress=progress)
    return LabelledImages(
        classes=test.classes, train=tuple(train[place] for place in sorted(few)), test=test.images
    )


async def optimize_aviary(
    settings: AviarySettings,
    options: OptimizeOptions,
    *,
    encoder: Encoder,
    answers: ByteStore,
    pictures: Path,
    run: Run,
    progress: Progress,
    book: PromptBook | None = None,
    given: GivenTexts | None = None,
    also: tuple[Encoder, ...] = (),
    ceiling: bool = False,
    limits: Limits | None = None,
) -> OptimizeResult:
    """Draw the world, start the guide, and search.

    Args:
        settings: The world.
        options: The choices of the search; the noun is "bird".
        encoder: The CLIP encoder.
        answers: Where answers are kept.
        pictures: Folder for drawn data sets; complete ones are reused.
        run: The run.
        progress: Shows progress.
        book: A book to start from instead of the guide's descriptors.
        given: Descriptions and other words for the species.
        also: Other encoders to measure the book on.
        ceiling: Also search with the test images shown, for a bound.
        limits: The most that may be asked of the guide.
    """
    species = species_book(settings.seed, new=settings.species, known=0)
    began = time.perf_counter()
    images = aviary_images(species, settings, pictures=pictures, progress=progress)
    render = time.perf_counter() - began
    guide = Guide(species, GuideSettings(mistakes=settings.mistakes))
    async with asked_over_http(guide, store=answers, limits=limits) as llm:
        result, _ = await optimize(
            Optimizing(
                data="aviary",
                images=images,
                encoder=encoder,
                llm=llm,
                run=run,
                options=options.model_copy(update={"noun": NOUN}),
                shots=settings.shots,
                book=book,
                given=given or GivenTexts(),
                render=render,
                notes=(NOTE,),
                also=also,
                ceiling=ceiling,
                progress=progress,
            )
        )
    return result
