"""Classifies a drawn data set at the command line, with the scripted guide as the language model."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from fieldmark.aviary.world.dataset import render_dataset
from fieldmark.aviary.world.species import species_book
from tests.command_line import CommandLine, Outcome
from tests.faulty_endpoint import FaultyEndpoint

MODEL = "guide"


SPECIES, IMAGES, SEED = 6, 3, 5


def draw_birds(factory: pytest.TempPathFactory, *, species: int, images: int) -> Path:
    """A folder of so many images of each of so many new species."""
    folder = factory.mktemp("aviary") / "birds"
    book = species_book(SEED, new=species, known=0)
    render_dataset(folder, book, images_per_species=images, seed=SEED, workers=1)
    return folder


def at(endpoint: FaultyEndpoint, command_line: CommandLine, **more: str) -> CommandLine:
    """The command line with that endpoint as its language model."""
    settings = {"OPENAI_BASE_URL": endpoint.base_url, "FIELDMARK_LLM": MODEL, "FIELDMARK_CLIP": "aviary"}
    return dataclasses.replace(command_line, more={**settings, **more})


def classes(birds: Path) -> tuple[object, ...]:
    """The arguments every run here shares."""
    return ("classify", birds, "--classes", birds / "classes.txt", "--max-rounds", 2, "--no-report")


def labels(outcome: Outcome) -> list[Any]:
    """The predictions."""
    return outcome.json["images"]
