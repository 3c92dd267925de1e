"""What an owner said so far of a board or its verdicts, kept at every click until it is sent as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fieldmark.agents.define.drafts import Drafts
from fieldmark.errors import InputError
from fieldmark.records import Concept, LabelValue
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ImageLabel,
    LabelReply,
    Response,
    RevealReply,
    VerdictReveal,
)
from fieldmark.tools.concepts.changes import MISREAD
from fieldmark.tools.concepts.folder import ConceptFolder

MOST_REASONS = 6


@dataclass(frozen=True)
class DraftedLabels:
    """Labels of a board or batch that is under way.

    Attributes:
        images: The images shown, in order.
        labels: Those labelled so far, in the order labelled.
    """

    images: tuple[str, ...]
    labels: dict[str, ImageLabel]

    @classmethod
    def of(cls, folder: ConceptFolder, question: BoardToLabel | BlindBatch) -> "DraftedLabels":
        """What was said so far."""
        kept = Drafts(folder.path).load(question.images)
        return cls(question.images, {label.image: label for label in kept})

    @property
    def last(self) -> str | None:
        """The image labelled last."""
        return next(reversed(self.labels), None)

    @property
    def missing(self) -> tuple[str, ...]:
        """The images without a label."""
        return tuple(image for image in self.images if image not in self.labels)

    def after(self, image: str) -> str | None:
        """The next image without a label, behind this one, then from the start."""
        at = self.images.index(image) + 1 if image in self.images else 0
        ordered = (*self.images[at:], *self.images[:at])
        return next((each for each in ordered if each not in self.labels), None)

    def reply(self, *, stop: bool = False) -> LabelReply:
        """The labels as an answer, in the order of the images."""
        said = tuple(self.labels[image] for image in self.images if image in self.labels)
        return LabelReply(labels=said, stop=stop)


def draft_label(
    folder: ConceptFolder,
    question: BoardToLabel,
    image: str,
    *,
    value: LabelValue | None = None,
    reason: str | None = None,
) -> DraftedLabels:
    """Keep what was said of one image: a label, or a reason for the label that it has.

    Raises:
        InputError: The image is not shown, or a reason came before a label.
    """
    here = DraftedLabels.of(folder, question)
    if image not in here.images:
        raise InputError("This picture is not on the board.")
    old = here.labels.get(image)
    if value is None and old is None:
        raise InputError("A reason goes with a label.", hint="Say first what the picture is.")
    said = ImageLabel(
        image=image,
        value=value or (old.value if old else "unsure"),
        # A reason for one label is none for another.
        reason=(old.reason if old and old.value == (value or old.value) else "")
        if reason is None
        else " ".join(reason.split()),
    )
    others = [label for label in here.labels.values() if label.image != image]
    # A label keeps its place where only its reason changed.
    labels = (
        [said if label.image == image else label for label in here.labels.values()]
        if value is None
        else [*others, said]
    )
    Drafts(folder.path).save(here.images, labels)
    return DraftedLabels(here.images, {label.image: label for label in labels})


def undo_label(folder: ConceptFolder, question: BoardToLabel, image: str) -> None:
    """Take the label of this image back, if it was the last one: a second click undoes no second one."""
    labels = list(DraftedLabels.of(folder, question).labels.values())
    if labels and labels[-1].image == image:
        Drafts(folder.path).save(question.images, labels[:-1])


def reasons_given(concept: Concept) -> tuple[str, ...]:
    """Reasons that the owner gave before, the latest first: what was said once need not be typed again."""
    said = [label.reason for label in reversed(concept.labels)]
    own = [reason for reason in said if reason and not reason.startswith(MISREAD) and len(reason) <= 80]
    return tuple(dict.fromkeys(own))[:MOST_REASONS]


def drafted_responses(folder: ConceptFolder, question: VerdictReveal) -> Mapping[str, Response]:
    """What was said so far to the disagreements of a board."""
    kept = Drafts(folder.path).load_responses(_shown(question))
    return {response.image: response for response in kept if response is not None}


def draft_response(
    folder: ConceptFolder, question: VerdictReveal, image: str, response: Response | None
) -> None:
    """Keep what was said to one disagreement; None takes it back.

    Raises:
        InputError: The two do not differ on this image.
    """
    disputed = [each.image for each in question.disagreements]
    if image not in disputed:
        raise InputError("You and the model do not differ on this picture.")
    given = {**drafted_responses(folder, question), image: response}
    responses: Sequence[Response | None] = [given.get(each) for each in disputed]
    Drafts(folder.path).save_responses(_shown(question), responses)


def reveal_reply(folder: ConceptFolder, question: VerdictReveal, *, stop: bool = False) -> RevealReply:
    """What was said to the disagreements, as an answer."""
    given = drafted_responses(folder, question)
    said = tuple(given[each.image] for each in question.disagreements if each.image in given)
    return RevealReply(responses=said, stop=stop)


def _shown(question: VerdictReveal) -> tuple[str, ...]:
    return tuple(image.image for image in question.images)
