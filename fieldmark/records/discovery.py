"""Groups of images that nobody listed classes for, with the names that were found for them."""

from typing import ClassVar, Literal

from pydantic import Field

from fieldmark.records._base import Record


class DiscoveredGroup(Record):
    """Images that look alike, and what they may be called."""

    name: str
    """Unlike that of every other group; "" where nothing was said of them."""
    sure: bool
    """Whether the encoder sees that the name tells these images from the others."""
    sureness: float = Field(ge=0, le=1)
    """How often one of these images fits the name better than another image does (AUROC)."""
    similarity: float
    """Mean cosine of these images with the name."""
    others: tuple[str, ...] = ()
    """Names that came next."""
    by: str = ""
    """Who gave the name: "captions", "language model" or "vision-language model"."""
    captions: tuple[str, ...] = ()
    """What the vision-language model wrote of some of them, or captions near them that hold the name."""
    marks: tuple[str, ...] = ()
    """What a run found that most of them show and others do not."""
    images: tuple[str, ...] = Field(min_length=1)
    """Paths or names as the user gave them, the most typical one first."""
    image_hashes: tuple[str, ...]

    @property
    def in_words(self) -> str:
        """How many they are, and what they look like."""
        these = f"{len(self.images):,} image{'s look' if len(self.images) > 1 else ' looks'}"
        if not self.name:
            return f"{these} alike, and nothing names them."
        return f"{these} like: {self.name}{'' if self.sure else ' (unsure)'}."


class Discovery(Record):
    """What was found, as the folder of a run keeps it."""

    FILE: ClassVar[str] = "discovery.json"

    format: Literal["fieldmark.discovery/1"] = Field(
        default="fieldmark.discovery/1", serialization_alias="schema"
    )
    run: str
    """The folder."""
    of_run: str | None = None
    """The classification whose rejected images these are; None where they are images of a folder."""
    listed: tuple[str, ...] = ()
    """The classes of that run."""
    images: int
    """Images that could be read."""
    groups: tuple[DiscoveredGroup, ...]
    """The largest first."""
    stop_reason: Literal["done", "budget", "endpoint"] = "done"
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names found."""
        return tuple(group.name for group in self.groups if group.name)

    @property
    def classes(self) -> tuple[str, ...]:
        """The listed classes, then the names found."""
        return (*self.listed, *self.names)

    @property
    def classifies(self) -> bool:
        """Whether these are enough classes to classify by."""
        return len(self.classes) > 1
