"""What a conversation about a concept shows its owner, and what the owner says: the same for every front.

Images are content hashes throughout.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from fieldmark.records._base import Record
from fieldmark.records.annotation import Call, ClauseVerdict
from fieldmark.records.concepts import Clause, DefinitionEdit, LabelValue

DefineStop = Literal["agreement", "boards", "labels", "calls", "owner", "no_images", "no_conversation"]
"""Why a conversation ended."""


class ImageLabel(Record):
    """What the owner says of one image."""

    image: str
    value: LabelValue
    reason: str = ""


# ---------------------------------------------------------------- what is shown


class QuestionPayload(Record):
    """What every payload has."""

    turn: str
    """Names this question for good: an answer that was given to it is never asked for again."""


class ScopeQuestion(QuestionPayload):
    """A question about the concept, with images found for it."""

    kind: Literal["scope"] = "scope"
    question: str
    options: tuple[str, ...] = ()
    """Answers that settle it; free text is always possible."""
    images: tuple[str, ...] = ()
    number: int = 1
    of: int = 1
    """The most questions there may be."""


class BoardToLabel(QuestionPayload):
    """Images to label as in, out or unsure; nothing here says what is unclear about them."""

    kind: Literal["board"] = "board"
    images: tuple[str, ...]
    number: int = 1
    """Which board of the conversation; 0 where images were given by name."""
    hinders: tuple[str, ...] = ()
    """What still hinders the end, the budget last; see `what_hinders`."""


class RevealedImage(Record):
    """What the annotator makes of an image that the owner has labelled."""

    image: str
    owner: LabelValue
    call: Call
    p: float | None = None
    """Probability of "in" as the annotator states it."""
    right: float | None = None
    """How likely its call is right, by the owner's labels of other boards where `right_by` is not 0."""
    right_by: int = 0
    """Labels that this was calibrated on; 0 where there were too few, and it is what the annotator states."""
    seen: str = ""
    rationale: str = ""
    clauses: tuple[ClauseVerdict, ...] = ()

    @property
    def disagrees(self) -> bool:
        """Whether the owner and the annotator say opposite things."""
        return {self.owner, self.call} == {"in", "out"}


class VerdictReveal(QuestionPayload):
    """The verdicts on a board just labelled, and what its images share."""

    kind: Literal["reveal"] = "reveal"
    number: int
    ambiguity: str
    """What is unclear about them, in a few words; empty where nothing is known."""
    images: tuple[RevealedImage, ...]
    clauses: tuple[Clause, ...]
    """The active clauses that the verdicts are about."""

    @property
    def disagreements(self) -> tuple[RevealedImage, ...]:
        """The images that a reason is asked for."""
        return tuple(image for image in self.images if image.disagrees)


class Flip(Record):
    """An image that the owner labelled and whose call an edit would change."""

    image: str
    owner: LabelValue
    before: Call
    after: Call


ALIKE = 1e-9
"""Scores this close are equal."""


class EditOffer(QuestionPayload):
    """An edit of the definition, to accept or not."""

    kind: Literal["offer"] = "offer"
    edit: DefinitionEdit
    diff: tuple[str, ...]
    """Lines that begin with "+ ", "- " or "  "."""
    flips: tuple[Flip, ...]
    f1_before: float | None
    f1_after: float | None
    """F1 against the owner's labels outside of the blind test; None where none of them is "in"."""
    f1_before_ci: tuple[float, float] | None = None
    """95% interval of it, by the bootstrap over the labels; None where F1 is."""
    f1_after_ci: tuple[float, float] | None = None
    against: tuple[str, ...] = ()
    """Answers of the owner that the edit would undo; where it is declined, nothing undoes them any more."""

    @property
    def fit(self) -> Literal["better", "same", "worse"]:
        """Whether the definition fits the owner's labels better with the edit, by F1; undefined is 0."""
        gain = (self.f1_after or 0.0) - (self.f1_before or 0.0)
        return "same" if abs(gain) < ALIKE else "better" if gain > 0 else "worse"


class BlindBatch(QuestionPayload):
    """Images of the blind test, to label without any verdict in sight."""

    kind: Literal["blind"] = "blind"
    images: tuple[str, ...]
    done: int
    of: int


ConversationQuestion = ScopeQuestion | BoardToLabel | VerdictReveal | EditOffer | BlindBatch
"""Whatever may be put before the owner."""


# ---------------------------------------------------------------- what the owner says


class Said(Record):
    """What every answer has."""

    stop: bool = False
    """Whether the owner wants no more boards; what the answer says still counts."""


class ScopeReply(Said):
    """An answer to a question, and labels of its images where the owner gave any."""

    kind: Literal["scope"] = "scope"
    answer: str = ""
    """An option or free text; empty where nothing was said."""
    labels: tuple[ImageLabel, ...] = ()


class LabelReply(Said):
    """Labels of a board or of a batch; an image left out was not answered."""

    kind: Literal["labels"] = "labels"
    labels: tuple[ImageLabel, ...] = ()
    later: bool = False
    """Whether the rest of a blind batch shall wait for another day."""


class Response(Record):
    """What the owner says to one disagreement."""

    image: str
    kind: Literal["relabel", "reason", "model_wrong"]
    """The label was wrong; the label is right, and why; the annotator misread the image."""
    value: LabelValue | None = None
    """The right label, with "relabel" and with nothing else."""
    reason: str = ""
    clauses: tuple[str, ...] = ()
    """Ids of the clauses that were misread, with "model_wrong"; where none is named, `misread_clauses` says
    which it can only have been."""

    @model_validator(mode="after")
    def _says_what_is_right(self) -> Self:
        if (self.kind == "relabel") != (self.value is not None):
            raise ValueError('the right label comes with "relabel", and with nothing else')
        if self.clauses and self.kind != "model_wrong":
            raise ValueError('clauses come with "model_wrong", and with nothing else')
        return self


class RevealReply(Said):
    """What the owner says to the verdicts; silence leaves everything as it is."""

    kind: Literal["reveal"] = "reveal"
    responses: tuple[Response, ...] = ()


class OfferReply(Said):
    """Whether an edit is accepted."""

    kind: Literal["offer"] = "offer"
    accept: bool
    reason: str = ""
    words: str = ""
    """The new clause in the owner's words, where they accept the edit in other words than those offered."""


ConversationReply = ScopeReply | LabelReply | RevealReply | OfferReply
"""Whatever the owner may answer."""


class ConversationProgress(Record):
    """How far a conversation is towards its end, as of its latest board."""

    boards: int = 0
    most_boards: int
    quiet: int = 0
    """Boards in a row without an accepted edit."""
    quiet_needed: int
    labels: int = 0
    """Labels given in it outside of the blind test, repeats included."""
    most_labels: int
    spent: int = 0
    """Questions to the models that had to be asked."""
    most_calls: int | None = None
    failures: int = 0
    """Questions to the language model without a usable answer."""
    f1: float | None = None
    """Of the definition on all labels outside of the blind test."""
    kappa: float | None = None
    """Owner against annotator, on labels given before any verdict was shown."""
    kappa_error: float | None = None
    """Its standard error."""
    kappa_labels: int = 0
    self_kappa: float | None = None
    """Owner against owner, on images that came back."""
    self_kappa_error: float | None = None
    repeats: int = 0
    agrees: bool = False
    """Whether the first is within one standard error of the second."""
    agreement_labels: int = 0
    """Labels that owner and annotator must be compared on before the conversation ends by agreement."""
    stop_reason: DefineStop | None = None


class Heard(Record):
    """An answer with the question it belongs to and the time it was given."""

    turn: str
    reply: Annotated[ConversationReply, Field(discriminator="kind")]
    at: str
    """ISO 8601, UTC."""


PAYLOADS: TypeAdapter[ConversationQuestion] = TypeAdapter(
    Annotated[ConversationQuestion, Field(discriminator="kind")]
)
"""Reads a payload back from plain JSON."""
