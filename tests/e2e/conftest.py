"""A drawn data set, the guide that knows it, and its endpoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.world.dataset import read_truth
from tests.command_line import guide_script
from tests.e2e.classifying import IMAGES, MODEL, SPECIES, draw_birds
from tests.faulty_endpoint import FaultyEndpoint


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn data set."""
    return draw_birds(tmp_path_factory, species=SPECIES, images=IMAGES)


@pytest.fixture
def guide(birds: Path) -> Guide:
    """What knows its species."""
    return Guide(read_truth(birds)[0])


@pytest.fixture
def endpoint(guide: Guide) -> Iterator[FaultyEndpoint]:
    """The guide, with all requests recorded."""
    with FaultyEndpoint([guide_script(guide)], models=[{"id": MODEL}]) as server:
        yield server
