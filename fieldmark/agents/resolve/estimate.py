"""Says what a run would ask before it asks: the first look exactly, the follow-up questions as a bound."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.prompts.describe import ask_describe
from fieldmark.prompts.family import ask_families
from fieldmark.prompts.noun import ask_noun
from fieldmark.records import Question, Record, SkippedInput
from fieldmark.tools.llm.given import AskedModel


class FirstLook(Record):
    """The questions before any image is compared: the noun, the descriptors of each class, and the groups."""

    questions: int = 0
    cached: int = 0
    to_ask: int = 0
    tokens: int = 0
    """What the questions still to ask may use at most: bytes / 3 and the whole length of each answer."""


class CallEstimate(Record):
    """What a run would ask and encode, as a dry run of `fieldmark classify` prints it."""

    format: Literal["fieldmark.estimate/1"] = Field(
        default="fieldmark.estimate/1", serialization_alias="schema"
    )
    images: int
    classes: int
    model: str | None
    noun: str | None
    """The generic noun; None where it must be asked first, and then the estimate reckons with "object"."""
    first_look: FirstLook
    follow_up_most: int
    """No more follow-up questions than this are asked, whatever the images show."""
    vlm: str | None = None
    most_vlm_images: int = 0
    """No more images than this are shown to the vision-language model: those that the loop leaves open."""
    skipped: tuple[SkippedInput, ...] = ()
    passed_over: dict[str, int] = Field(default_factory=dict)
    """Files in folders whose suffix is no image's: suffix → number."""


async def first_look(
    classes: Sequence[str],
    *,
    noun: str | None,
    options: ResolveOptions,
    llm: AskedModel | None,
    groups: bool = False,
) -> tuple[FirstLook, str | None]:
    """Count the questions of the first look, those in the cache apart.

    Args:
        classes: The class names.
        noun: The generic noun; None to have it asked.
        options: How the run starts.
        llm: The model that would be asked. None asks nothing.
        groups: Whether it is asked to group the classes, too.

    Returns:
        The counts, and the noun where it is known.
    """
    if llm is None:
        return FirstLook(), noun
    questions: list[Question] = []
    known = noun
    if noun is None:
        question = ask_noun(classes)
        questions.append(question)
        if await llm.peek(question):
            known = (await llm.ask(question)).value.noun  # from the cache, as was just seen
    if options.start == "descriptors":
        questions += [
            ask_describe(name, noun=known or options.noun, sample=sample)
            for sample in range(options.descriptor_samples)
            for name in classes
        ]
    if groups:
        questions += ask_families(classes, noun=known or options.noun)
    fresh = [question for question in questions if not await llm.peek(question)]
    counts = FirstLook(
        questions=len(questions),
        cached=len(questions) - len(fresh),
        to_ask=len(fresh),
        tokens=sum(llm.estimate(question) for question in fresh),
    )
    return counts, known


def most_follow_ups(classes: int, options: ResolveOptions, *, images: int) -> int:
    """The most follow-up questions that the planners can ask in all rounds.

    The table planner begins with one round of rival groups; later rounds ask once about each class, and
    about half as many groups. Pairs are asked once each, and only those among an image's candidates.
    """
    rounds = options.max_rounds
    if not rounds:
        return 0
    groups = max(1, -(-classes // options.group_size))
    if options.ask == "table":
        return groups + (rounds - 1) * (classes + max(1, groups // 2))
    if options.ask == "groups":
        return rounds * max(1, -(-2 * classes // options.group_size))
    most = options.k if options.candidates == "topk" else classes
    most = min(most, classes)
    return min(classes * (classes - 1) // 2, images * most * (most - 1) // 2)
