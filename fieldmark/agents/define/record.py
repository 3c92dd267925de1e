"""Takes what the owner said into the concept's record, once however often it is replayed."""

from collections.abc import Sequence

from fieldmark.errors import InputError
from fieldmark.records import Concept, Decision, Label
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ConversationQuestion,
    ConversationReply,
    EditOffer,
    Heard,
    ImageLabel,
    LabelReply,
    OfferReply,
    RevealReply,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
)
from fieldmark.tools.concepts.changes import dev_labels, latest_labels, with_decision, with_labels

MISREAD = "the model misread this image"
"""The reason noted where the owner says that the annotator, not the definition, is wrong."""
FITTING = {
    ScopeQuestion: ScopeReply,
    BoardToLabel: LabelReply,
    VerdictReveal: RevealReply,
    EditOffer: OfferReply,
    BlindBatch: LabelReply,
}


def check_reply(payload: ConversationQuestion, reply: ConversationReply) -> None:
    """Refuse an answer that does not belong to the question.

    Raises:
        InputError: It is of another kind, or about images that the question did not show, or about one
            image twice.
    """
    if not isinstance(reply, FITTING[type(payload)]):
        raise InputError(f"A question of kind {payload.kind!r} was answered with {reply.kind!r}.")
    if isinstance(reply, ScopeReply | LabelReply):
        named = [label.image for label in reply.labels]
    elif isinstance(reply, RevealReply):
        named = [response.image for response in reply.responses]
    else:
        return
    if isinstance(payload, EditOffer):
        return
    shown = {image if isinstance(image, str) else image.image for image in payload.images}
    if unlisted := set(named) - shown:
        raise InputError(f"The answer is about an image that was not shown: {min(unlisted)[:12]}.")
    if len(set(named)) < len(named):
        raise InputError("The answer names one image twice.")


def unanswered(payload: ConversationQuestion, reply: ConversationReply) -> tuple[str, ...]:
    """Images of a board or a batch that the answer passes over."""
    if isinstance(payload, BoardToLabel | BlindBatch) and isinstance(reply, LabelReply):
        labelled = {label.image for label in reply.labels}
        return () if reply.stop or reply.later else tuple(i for i in payload.images if i not in labelled)
    return ()


def revealed_images(concept: Concept) -> set[str]:
    """Images whose verdicts the owner has seen."""
    return {image for decision in concept.decisions if decision.kind == "board" for image in decision.images}


def with_dev_labels(
    concept: Concept, said: Sequence[ImageLabel], *, at: str, unannounced: bool = False
) -> Concept:
    """The concept with labels outside of the blind test, each marked as repeat or primed where it is one.

    Args:
        concept: The concept.
        said: The labels.
        at: When they were given.
        unannounced: Whether a board showed the images: one that comes back there without notice is a repeat,
            while a label that the owner puts right knowingly says nothing of how consistent they are.
    """
    before = latest_labels([label for label in concept.labels if label.split == "dev" and label.at < at])
    seen = revealed_images(concept)
    return with_labels(
        concept,
        [
            Label(
                image=label.image,
                value=label.value,
                split="dev",
                reason=label.reason.strip(),
                primed=label.image in seen,
                repeat=unannounced and label.image in before,
                at=at,
            )
            for label in said
            if label.image not in concept.blind
        ],
    )


def with_blind_labels(concept: Concept, said: Sequence[ImageLabel], *, at: str) -> Concept:
    """The concept with labels of its blind test."""
    return with_labels(
        concept,
        [
            Label(image=label.image, value=label.value, split="blind", reason=label.reason.strip(), at=at)
            for label in said
            if label.image in concept.blind
        ],
    )


def with_scope_answer(concept: Concept, payload: ScopeQuestion, heard: Heard) -> Concept:
    """The concept with an answer to a question about it, and the labels given with it.

    An empty answer is noted as such: the question was put, and does not come back.
    """
    if not isinstance(heard.reply, ScopeReply):
        return concept
    concept = with_dev_labels(concept, heard.reply.labels, at=heard.at)
    answer = heard.reply.answer.strip()
    return with_decision(
        concept,
        Decision(kind="scope", question=payload.question, images=payload.images, answer=answer, at=heard.at),
    )


def with_board(concept: Concept, payload: VerdictReveal, heard: Heard) -> Concept:
    """The concept with what the owner said to a board's verdicts; labels changed now are primed."""
    if not isinstance(heard.reply, RevealReply):
        return concept
    known = dev_labels(concept)
    labels: list[Label] = []
    for response in heard.reply.responses:
        old = known.get(response.image)
        value = response.value if response.kind == "relabel" and response.value else old and old.value
        if value is None:
            continue
        reason = response.reason.strip()
        if response.kind == "model_wrong":
            reason = f"{MISREAD}: {reason}" if reason else MISREAD
        if old is None or old.value != value or reason:
            labels.append(
                Label(image=response.image, value=value, split="dev", reason=reason, primed=True, at=heard.at)
            )
    concept = with_labels(concept, labels)
    agreed = len(payload.images) - len(payload.disagreements)
    return with_decision(
        concept,
        Decision(
            kind="board",
            question=payload.ambiguity,
            images=tuple(image.image for image in payload.images),
            answer=f"{agreed} of {len(payload.images)} agree",
            at=heard.at,
        ),
    )
