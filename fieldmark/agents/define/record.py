"""Takes what the owner said into the concept's record, once however often it is replayed."""

import secrets
from collections.abc import Sequence

from fieldmark.agents.define.hearing import is_slip
from fieldmark.errors import InputError
from fieldmark.records import Clause, Concept, Decision, Label
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
    Response,
    RevealedImage,
    RevealReply,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
)
from fieldmark.tools.concepts.changes import MISREAD, dev_labels, latest_labels, with_decision, with_labels

MOST_CHARACTERS = 300
"""Of a clause that its owner words, as of those that a language model drafts."""
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
        InputError: It is of another kind, or about images or clauses that the question did not show, or about
            one image twice, or a slip of the keyboard.
    """
    if not isinstance(reply, FITTING[type(payload)]):
        raise InputError(f"A question of kind {payload.kind!r} was answered with {reply.kind!r}.")
    if isinstance(payload, ScopeQuestion) and isinstance(reply, ScopeReply):
        _refuse_a_slip(reply.answer, payload.options)
    if isinstance(payload, VerdictReveal) and isinstance(reply, RevealReply):
        known = {clause.id for clause in payload.clauses}
        if strange := {name for response in reply.responses for name in response.clauses} - known:
            raise InputError(
                f"There is no clause {min(strange)!r}.", hint=f"There are: {', '.join(sorted(known))}."
            )
    if isinstance(payload, EditOffer) and isinstance(reply, OfferReply) and reply.words:
        _check_words(payload, reply)
    if isinstance(reply, ScopeReply | LabelReply):
        named = [label.image for label in reply.labels]
    elif isinstance(reply, RevealReply):
        named = [response.image for response in reply.responses]
    else:
        return
    if isinstance(payload, EditOffer):
        return
    if unlisted := set(named) - set(shown_in(payload)):
        raise InputError(f"The answer is about an image that was not shown: {min(unlisted)[:12]}.")
    if len(set(named)) < len(named):
        raise InputError("The answer names one image twice.")


def _check_words(payload: EditOffer, reply: OfferReply) -> None:
    if not reply.accept or payload.edit.kind not in ("add", "reword"):
        raise InputError("Other words go with an edit that is accepted and has a new clause.")
    if len(reply.words) > MOST_CHARACTERS or reply.words != " ".join(reply.words.split()):
        raise InputError(
            f"A clause is one line of at most {MOST_CHARACTERS} characters.",
            hint="Say one thing in one sentence.",
        )
    # The new clause is the last line of the difference; what stays, or goes, is before it.
    staying = [line[2:] for line in payload.diff if line.startswith("  ")]
    if any(line.casefold() == f"{payload.edit.clause.role}: {reply.words}".casefold() for line in staying):
        raise InputError("The definition has this clause already.", hint="Decline the edit instead.")


def shown_in(payload: ConversationQuestion) -> tuple[str, ...]:
    """The images that a question shows, in order."""
    if isinstance(payload, EditOffer):
        return tuple(flip.image for flip in payload.flips)
    return tuple(image if isinstance(image, str) else image.image for image in payload.images)


def _refuse_a_slip(answer: str, options: Sequence[str]) -> None:
    if is_slip(answer) and answer.strip() not in options:
        raise InputError(
            f"{answer.strip()!r} is no answer to a question about the concept.",
            hint="Give one of the options, or say it in words.",
        )


def new_turn() -> str:
    """A name for a question that no other question has."""
    return secrets.token_hex(8)


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
        misread: tuple[str, ...] = ()
        if response.kind == "model_wrong":
            reason = f"{MISREAD}: {reason}" if reason else MISREAD
            misread = misread_clauses(response, payload)
        if old is None or old.value != value or reason:
            labels.append(
                Label(
                    image=response.image,
                    value=value,
                    split="dev",
                    reason=reason,
                    primed=True,
                    misread=misread,
                    at=heard.at,
                )
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


def misread_clauses(response: Response, payload: VerdictReveal) -> tuple[str, ...]:
    """The clauses that the annotator misread: those that were named, else those that it can only have been.

    Of an image that the owner calls "in", all findings that keep it out are wrong. Of one that the owner
    calls "out", one of several may be: it is known only where the definition has a single clause.
    """
    if response.clauses:
        return response.clauses
    shown = next((image for image in payload.images if image.image == response.image), None)
    if shown is None:
        return ()
    if len(payload.clauses) == 1:
        return (payload.clauses[0].id,)
    return _keeping_out(shown, payload.clauses) if shown.owner == "in" else ()


def _keeping_out(shown: RevealedImage, clauses: Sequence[Clause]) -> tuple[str, ...]:
    """Clauses that keep an image out, each by itself; not one of several positive ones, as any would do."""
    found = {each.clause: each.finding for each in shown.clauses}
    positive = [clause.id for clause in clauses if clause.role == "positive"]
    alone = positive if len(positive) == 1 else []
    failing = [c.id for c in clauses if c.role == "necessary" and found.get(c.id) == "no"]
    failing += [c.id for c in clauses if c.role == "negative" and found.get(c.id) == "yes"]
    return (*failing, *(name for name in alone if found.get(name) == "no"))
