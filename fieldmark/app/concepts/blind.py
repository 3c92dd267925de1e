"""The blind test picture by picture: which one is next, and a label noted at once."""

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


@dataclass(frozen=True)
class BlindTest:
    """How far the blind test of a concept is.

    Attributes:
        labels: What counts of each image labelled so far, in the order first labelled.
        next_image: The next image without a label, by content hash; None where there is none.
        of: Images that it has, those whose files are gone left out.
    """

    labels: Mapping[str, Label]
    next_image: str | None
    of: int

    @classmethod
    def of_concept(cls, concept: Concept, pool: Mapping[str, ImageFile]) -> "BlindTest":
        """How far it is."""
        images = [pool[image] for image in concept.blind if image in pool]
        batch, labels = next_batch(concept, images, size=1), blind_labels(concept)
        return cls(labels, batch.images[0] if batch else None, batch.of if batch else len(labels))

    @property
    def last(self) -> str | None:
        """The image labelled last."""
        return max(self.labels.values(), key=lambda label: label.at).image if self.labels else None


def is_complete(concept: Concept, pool: Mapping[str, ImageFile]) -> bool:
    """Whether no image of the blind test waits for a label."""
    return BlindTest.of_concept(concept, pool).next_image is None


def note_blind_label(folder: ConceptFolder, image: str, value: LabelValue) -> None:
    """Note the label of one image of the blind test; an earlier one stays behind it.

    Raises:
        InputError: The image is not of the blind test.
        RunError: Another process works on the concept.
    """
    with folder.writing():
        concept = folder.load()
        if image not in concept.blind:
            raise InputError("This picture is not of the blind test.")
        known = blind_labels(concept).get(image)
        if known is None or known.value != value:  # a second click says nothing new
            said = [ImageLabel(image=image, value=value)]
            folder.save(with_blind_labels(concept, said, at=now()))
