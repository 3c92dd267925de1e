"""Guides to the species of the first book."""

import pytest

from fieldmark.aviary.guide.guide import Guide, GuideSettings
from fieldmark.aviary.world.species import species_book


@pytest.fixture(scope="module")
def guide():
    return Guide(species_book(1))


@pytest.fixture(scope="module")
def truthful():
    return Guide(species_book(1), GuideSettings(mistakes=0.0))
