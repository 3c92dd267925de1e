"""Has a vision-language model argue both sides of one image in a chat, and then decide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.prompts.debate import (
    Argument,
    Chat,
    Settlement,
    Side,
    answered,
    ask_argue,
    ask_argue_again,
    ask_settle,
)
from fieldmark.records import Call, Definition, ImagePart, Question
from fieldmark.tools.annotate.image_asker import PICTURE, WORDS, ImageAsker
from fieldmark.tools.annotate.storing import probability
from fieldmark.tools.images.files import ImageFile

ROUNDS = 2
"""The most; in each both sides speak, and a judge decides."""
SURE = 80
"""How sure, in percent, the judge must be after the first round for there to be no second one."""
SIDES: tuple[Side, ...] = ("in", "out")
Shown = Sequence[tuple[Side, ImagePart]]


@dataclass(frozen=True)
class Debate:
    """What came of arguing both sides of one image.

    Attributes:
        image: Content hash.
        call: Who was right; "abstain" or "refused" where nobody can tell.
        p: Probability of "in"; None where it is unknown.
        for_in: The last argument for "in".
        for_out: The last argument for "out".
        rationale: What decided it.
        rounds: How often both sides spoke.
    """

    image: str
    call: Call
    p: float | None = None
    for_in: str = ""
    for_out: str = ""
    rationale: str = ""
    rounds: int = 1


async def debated(
    asker: ImageAsker,
    image: ImageFile,
    definition: Definition,
    *,
    concept: str,
    purpose: str,
    examples: Shown = (),
    rounds: int = ROUNDS,
) -> Debate:
    """Have both sides of an image argued, and then decided: three questions a round.

    There is a second round where the judge is not sure after the first and neither side gave in. Each
    question goes on with the chat, and is remembered as any is: a debate that was stopped repeats no call.
    """
    part = await asker.shown(image)
    if part is None:
        return Debate(image.content_hash, "abstain")
    opening = ask_argue(part, definition, concept=concept, purpose=purpose, side=SIDES[0], examples=examples)
    found = Debate(image.content_hash, "abstain")
    chat: Chat = ()
    said: dict[Side, str] = {}
    for turn in range(1, rounds + 1):
        gave_in = False
        for side in SIDES:
            question = ask_argue_again(chat, side=side) if chat else opening
            argued = await asker.ask_in_words(image, question)
            if isinstance(argued, str):  # what the first round decided stands
                return found if turn > 1 else Debate(image.content_hash, argued)
            chat, said[side] = answered(question, argued), argued.argument
            gave_in = gave_in or argued.concedes
        ruling = ask_settle(chat, turn=turn)
        ruled = await asker.ask_in_words(image, ruling)
        if isinstance(ruled, str):
            return found if turn > 1 else Debate(image.content_hash, ruled, None, said["in"], said["out"])
        found = _decided(image, ruled, said, turn)
        if gave_in or (found.p is not None and ruled.confidence >= SURE):
            break
        chat = answered(ruling, ruled)
    return found


def debate_foretold(
    definition: Definition, *, concept: str, purpose: str, examples: Shown = (), rounds: int = ROUNDS
) -> tuple[Question[Any], ...]:
    """The most questions that one image takes, with an empty picture and answers of usual length."""
    about: dict[str, Any] = {"concept": concept, "purpose": purpose, "examples": examples}
    argument = Argument(argument=WORDS, concedes=False)
    ruled = Settlement(rationale=WORDS, side="in", confidence=50)
    asked: list[Question[Any]] = []
    chat: Chat = ()
    for turn in range(1, rounds + 1):
        for side in SIDES:
            asked.append(
                ask_argue_again(chat, side=side)
                if chat
                else ask_argue(PICTURE, definition, side=side, **about)
            )
            chat = answered(asked[-1], argument)
        asked.append(ask_settle(chat, turn=turn))
        chat = answered(asked[-1], ruled)
    return tuple(asked)


def _decided(image: ImageFile, ruled: Settlement, said: Mapping[Side, str], turn: int) -> Debate:
    unknown = ruled.side == "cannot_tell"
    return Debate(
        image.content_hash,
        "abstain" if ruled.side == "cannot_tell" else ruled.side,
        None if unknown else probability(ruled.side == "in", ruled.confidence),
        said["in"],
        said["out"],
        ruled.rationale,
        turn,
    )
