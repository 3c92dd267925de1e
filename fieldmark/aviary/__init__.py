"""The aviary: a small embedded world of drawn birds in which every method can be measured.

Its names are imported on first use: `from fieldmark import aviary`, then `aviary.species_book(…)`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldmark.aviary.guide.beliefs import GuideSettings
    from fieldmark.aviary.guide.gallery import Gallery
    from fieldmark.aviary.guide.guide import Guide
    from fieldmark.aviary.guide.server import GuideServer
    from fieldmark.aviary.guide.sight import Sight, SightSettings
    from fieldmark.aviary.world.dataset import read_truth, render_dataset
    from fieldmark.aviary.world.flock import read_flock, render_flock
    from fieldmark.aviary.world.render import render
    from fieldmark.aviary.world.species import known_species, species_book, world_hash

_NAMES = {
    "fieldmark.aviary.guide.beliefs": ("GuideSettings",),
    "fieldmark.aviary.guide.gallery": ("Gallery",),
    "fieldmark.aviary.guide.guide": ("Guide",),
    "fieldmark.aviary.guide.server": ("GuideServer",),
    "fieldmark.aviary.guide.sight": ("Sight", "SightSettings"),
    "fieldmark.aviary.world.dataset": ("read_truth", "render_dataset"),
    "fieldmark.aviary.world.flock": ("read_flock", "render_flock"),
    "fieldmark.aviary.world.render": ("render",),
    "fieldmark.aviary.world.species": ("known_species", "species_book", "world_hash"),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Gallery",
    "Guide",
    "GuideServer",
    "GuideSettings",
    "Sight",
    "SightSettings",
    "known_species",
    "read_flock",
    "read_truth",
    "render",
    "render_dataset",
    "render_flock",
    "species_book",
    "world_hash",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'fieldmark.aviary' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
