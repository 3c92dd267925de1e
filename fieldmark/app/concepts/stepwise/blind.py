"""The blind test picture by picture, or a few at a time: which come next, and labels noted at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from fieldmark.agents.define.record import with_blind_labels
from fieldmark.agents.define.waiting import next_batch
from fieldmark.errors import InputError
from fieldmark.records import Concept, Label, LabelValue
from fieldmark.records.conversation import ImageLabel
from fieldmark.tools.concepts.changes import blind_labels, now
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.images.image_file import ImageFile

AT_ONCE = 12
"""Images that are shown together where somebody wants more than one."""


@dataclass(frozen=True)
class BlindTest:
    """How far the blind test of a concept is.

    Attributes:
        labels: What counts of each image labelled so far, in the order first labelled.
        waiting: The next images without a label, by content hash; `AT_ONCE` at the most.
        of: Images that it has, those whose files are gone left out.
    """

    labels: Mapping[str, Label]
    waiting: tuple[str, ...]
    of: int

    @classmethod
    def of_concept(cls, concept: Concept, pool: Mapping[str, ImageFile]) -> "BlindTest":
        """How far it is."""
        images = [pool[image] for image in concept.blind if image in pool]
        batch, labels = next_batch(concept, images, size=AT_ONCE), blind_labels(concept)
        return cls(labels, batch.images if batch else (), batch.of if batch else len(labels))

    @property
    def next_image(self) -> str | None:
        """The next of them; None where there is none."""
        return self.waiting[0] if self.waiting else None

    @property
    def last(self) -> str | None:
        """The image labelled last."""
        return max(self.labels.values(), key=lambda label: label.at).image if self.labels else None


def is_complete(concept: Concept, pool: Mapping[str, ImageFile]) -> bool:
    """Whether no image of the blind test waits for a label."""
    return BlindTest.of_concept(concept, pool).next_image is None


def note_blind_labels(folder: ConceptFolder, given: Mapping[str, LabelValue]) -> None:
    """Note labels of images of the blind test, all or none; earlier ones stay behind them.

    Raises:
        InputError: One of the images is not of the blind test.
        RunError: Another process works on the concept.
    """
    with folder.writing():
        concept = folder.load()
        if not given.keys() <= concept.blind.keys():
            raise InputError("This picture is not of the blind test.")
        known = blind_labels(concept)
        said = [
            ImageLabel(image=image, value=value)
            for image, value in given.items()
            if image not in known or known[image].value != value  # a second click says nothing new
        ]
        if said:
            folder.save(with_blind_labels(concept, said, at=now()))
