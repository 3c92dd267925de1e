"""How hard a world of the aviary is made, as one record with two named instances."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Literal, get_args

from fieldmark.errors import InputError

Names = Literal["new", "mixed", "known"]

_KNOWN_NAMES, _ATTRIBUTES = 200, 16
"""The aviary's names that the encoder knows, and attributes of a bird; written down here, so that the command
line starts without the aviary."""

BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType({
    "species": (2, 4000),
    "images": (1, 10_000),
    "image_noise": (0, 10),
    "text_noise": (0, 10),
    "mistakes": (0, 0.6),
    "unlisted": (0, 0.9),
    "present": (0, 1),
    "strangers": (0, 10_000),
    "blind": (0, _ATTRIBUTES),
    "habitats": (0, 1),
    "burst": (1, 100),
})  # fmt: skip
"""Least and most of each number."""
_LEAST_CLASSES = 2


@dataclass(frozen=True, kw_only=True)
class WorldConditions:
    """How hard a world is.

    Attributes:
        names: Whether the encoder has seen the species' names: none, half (at most 200) or all of them.
        species: Species that are drawn.
        images: Images of each.
        image_noise: Noise on image vectors, at 1 as long as the signal; see `Weakness`.
        text_noise: The same on text vectors.
        mistakes: Share of wrong statements in the guide's answers.
        unlisted: Share of the species that have images but are no classes.
        present: Share of the classes that have images; 0 leaves one.
        strangers: Images that show no bird at all.
        blind: Attributes that image vectors do not show.
        habitats: Share of images in the habitat that their species prefers; look-alikes differ in it by
            chance. Above 0 the demo's loop is told how often each class is seen in the habitat of an image.
        burst: Pictures in a row that are of one bird. Above 1 the demo's loop is told which.

    Raises:
        InputError: A value cannot be used.
    """

    names: Names = "new"
    species: int = 80
    images: int = 20
    image_noise: float = 0.0
    text_noise: float = 0.0
    mistakes: float = 0.15
    unlisted: float = 0.0
    present: float = 1.0
    strangers: int = 0
    blind: int = 0
    habitats: float = 0.0
    burst: int = 1

    def __post_init__(self) -> None:
        whole = {each.name for each in fields(WorldConditions) if each.type is int}
        for name, (least, most) in BOUNDS.items():
            value = getattr(self, name)
            number = isinstance(value, int if name in whole else int | float) and not isinstance(value, bool)
            if not number or not least <= value <= most:
                raise InputError(
                    f"{name} cannot be {value!r}.", hint=f"Give {least} to {most:,}.", field=name
                )
        if self.names not in get_args(Names):
            raise InputError(
                f"names cannot be {self.names!r}.", hint=f"Give {', '.join(get_args(Names))}.", field="names"
            )
        if self.names == "known" and self.species > _KNOWN_NAMES:
            raise InputError(
                f"The encoder knows {_KNOWN_NAMES} species by name, not {self.species:,}.",
                hint=f"Draw at most {_KNOWN_NAMES}, or take mixed or new names.",
                field="species",
            )
        if self.species - self.unlisted_species < _LEAST_CLASSES:
            raise InputError(
                f"{self.unlisted_species} of {self.species} species unlisted leave no two classes.",
                hint="Draw more species, or list more of them.",
                field="unlisted",
            )

    @property
    def known_species(self) -> int:
        """How many species the encoder knows by name."""
        half = min(self.species // 2, _KNOWN_NAMES)
        return {"new": 0, "mixed": half, "known": self.species}[self.names]

    @property
    def unlisted_species(self) -> int:
        """How many species are no classes."""
        return round(self.species * self.unlisted)


CLEAR = WorldConditions()
"""Names that say nothing, an encoder that sees well, few mistakes, and every image of a class."""
MIDDLE = replace(
    CLEAR, names="mixed", image_noise=1.0, text_noise=0.5, mistakes=0.25, unlisted=0.1, strangers=20
)
"""A world in the middle of the map: some of everything that goes wrong outside."""
DEFAULT = MIDDLE
"""The world of `fieldmark demo` where nothing is said."""
