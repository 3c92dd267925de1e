"""Somebody who answers and labels by a hidden rule, with the faults that people have."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from fieldmark.aviary.language.understand import understand
from fieldmark.errors import InputError
from fieldmark.evals.owners.explanations import (
    Stance,
    also_counted,
    choose_option,
    near_boundary,
    reason_for,
    sense_of,
    stance,
)
from fieldmark.evals.owners.options import Variant
from fieldmark.evals.owners.rules import Rule, Values
from fieldmark.records import LabelValue
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ConversationQuestion,
    ConversationReply,
    EditOffer,
    ImageLabel,
    LabelReply,
    OfferReply,
    Response,
    RevealReply,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
)

CHANGES_AFTER = 30
"""Labels after which the owner of the variant "midway" changes her mind."""


@dataclass(frozen=True)
class PictureTruth:
    """The truth about the pictures that an owner may be shown.

    Attributes:
        values: Content hash → value of every feature.
    """

    values: Mapping[str, Values]

    def of(self, image: str) -> Values:
        """What a picture shows.

        Raises:
            InputError: It is none of this scene.
        """
        try:
            return self.values[image]
        except KeyError:
            raise InputError(f"The simulated owner was shown a picture it does not know: {image}.") from None


class SimulatedOwner:
    """An `Owner` by a hidden rule.

    Args:
        rule: The rule.
        scene: What the pictures show.
        variant: The owner's faults.
        later: The rule that the variant "midway" changes to.
        seed: Decides where the faults fall.
    """

    def __init__(
        self,
        rule: Rule,
        scene: PictureTruth,
        *,
        variant: Variant = "exact",
        later: Rule | None = None,
        seed: int = 0,
    ) -> None:
        if (variant == "midway") != (later is not None):
            raise InputError('The variant "midway", and no other, needs a rule to change to.')
        self._rule = rule
        self._scene = scene
        self._variant: Variant = variant
        self._later = later
        self._seed = seed
        self.labels_given = 0
        self.questions_answered = 0

    @property
    def rule(self) -> Rule:
        """The rule in force."""
        changed = self._later is not None and self.labels_given >= CHANGES_AFTER
        return self._later if changed and self._later is not None else self._rule

    async def answer(self, payload: ConversationQuestion) -> ConversationReply:
        """Answer one question, from the rule alone."""
        match payload:
            case ScopeQuestion():
                self.questions_answered += 1
                return ScopeReply(answer=self._answer_to(payload))
            case BoardToLabel() | BlindBatch():
                return LabelReply(labels=tuple(self._label(image) for image in payload.images))
            case VerdictReveal():
                return RevealReply(responses=self._responses(payload))
            case EditOffer():
                return OfferReply(accept=self._accepts(payload))

    def label_of(self, image: str) -> LabelValue:
        """The label an exact owner gives: the truth, by the rule in force."""
        return "in" if self.rule.inside(self._scene.of(image)) else "out"

    def _label(self, image: str) -> ImageLabel:
        # Every showing is drawn on its own, or a picture that comes back would tell nothing.
        rng = random.Random(f"owner {self._seed} {self._rule.key} {image} {self.labels_given}")
        self.labels_given += 1
        values, right = self._scene.of(image), self.label_of(image)
        wrong: LabelValue = "out" if right == "in" else "in"
        draw = rng.random()
        value: LabelValue = right
        match self._variant:
            case "flips5":
                value = wrong if draw < 0.05 else right
            case "flips10":
                value = wrong if draw < 0.10 else right
            case "boundary" if draw < 0.25 and near_boundary(self.rule, values):
                value = wrong
            case "unsure" if draw < 0.5 and near_boundary(self.rule, values):
                value = "unsure"
            case _:
                pass
        return ImageLabel(image=image, value=value)

    def _answer_to(self, question: ScopeQuestion) -> str:
        understood = understand(question.question)
        if understood is None:
            return (
                ""
                if self._variant == "terse"
                else (choose_option("any", question.options) or "I cannot say.")
            )
        wanted = stance(self.rule, understood.condition)
        answer = choose_option(wanted, question.options) or _PLAIN[wanted]
        more = (
            ""
            if self._variant == "terse" or wanted == "any"
            else also_counted(self.rule, understood.condition)
        )
        return f"{answer}; {more}" if more else answer

    def _responses(self, reveal: VerdictReveal) -> tuple[Response, ...]:
        if self._variant == "terse":
            return ()
        responses: list[Response] = []
        for image in reveal.disagreements:
            right = self.label_of(image.image)
            if image.owner != right:  # a slip: seen the second time
                responses.append(Response(image=image.image, kind="relabel", value=right))
            else:
                reason = reason_for(self.rule, self._scene.of(image.image))
                responses.append(Response(image=image.image, kind="reason", reason=reason))
        return tuple(responses)

    def _accepts(self, offer: EditOffer) -> bool:
        """Read the definition before and after, and take the edit that comes nearer to what is meant.

        Where reading tells nothing, the labels that it would turn decide.
        """
        before = sense_of(self.rule, [line[2:] for line in offer.diff if line[0] in "- "])
        after = sense_of(self.rule, [line[2:] for line in offer.diff if line[0] in "+ "])
        if before is not None and after is not None and before != after:
            return after > before
        good = sum(flip.after == self.label_of(flip.image) for flip in offer.flips)
        return good > len(offer.flips) - good


_PLAIN: Mapping[Stance, str] = {
    "always": "That is always needed.",
    "never": "Never with that.",
    "some": "Only some of them count.",
    "any": "It does not matter.",
}
