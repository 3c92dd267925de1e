"""Has a vision-language model argue both sides of one image, and then decide."""

from dataclasses import dataclass
from typing import Literal

from fieldmark.prompts.argue import ask_argue
from fieldmark.prompts.settle import ask_settle
from fieldmark.records import Call, Definition
from fieldmark.tools.annotate.image_asker import ImageAsker
from fieldmark.tools.annotate.storing import probability
from fieldmark.tools.images.files import ImageFile


@dataclass(frozen=True)
class Debate:
    """What came of arguing both sides of one image.

    Attributes:
        image: Content hash.
        call: Who was right; "abstain" or "refused" where nobody can tell.
        p: Probability of "in"; None where it is unknown.
        for_in: The argument for "in".
        for_out: The argument for "out".
        rationale: What decided it.
    """

    image: str
    call: Call
    p: float | None = None
    for_in: str = ""
    for_out: str = ""
    rationale: str = ""


async def debated(
    asker: ImageAsker, image: ImageFile, definition: Definition, concept: str, purpose: str
) -> Debate:
    """Have both sides of an image argued, and then decided."""
    arguments: list[str] = []
    sides: tuple[Literal["in", "out"], ...] = ("in", "out")
    for side in sides:
        argued = await asker.ask(
            image,
            lambda part, side=side: ask_argue(part, definition, concept=concept, purpose=purpose, side=side),
        )
        if isinstance(argued, str):
            return Debate(image.content_hash, argued)
        arguments.append(argued.argument)
    for_in, for_out = arguments
    said = await asker.ask(
        image,
        lambda part: ask_settle(
            part, definition, concept=concept, purpose=purpose, for_in=for_in, for_out=for_out
        ),
    )
    if isinstance(said, str):
        return Debate(image.content_hash, said, for_in=for_in, for_out=for_out)
    return Debate(
        image.content_hash,
        "abstain" if said.side == "cannot_tell" else said.side,
        probability(said.side == "in", said.confidence) if said.side != "cannot_tell" else None,
        for_in,
        for_out,
        said.rationale,
    )
