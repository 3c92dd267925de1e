"""Says what a run would ask before it asks: the first look exactly, the follow-up questions as a bound."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import Field

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.prompts.choose import ask_choose
from fieldmark.prompts.describe import ask_describe
from fieldmark.prompts.differentiate import ask_differentiate
from fieldmark.prompts.differentiate_group import ask_differentiate_group
from fieldmark.prompts.family import ask_families
from fieldmark.prompts.noun import ask_noun
from fieldmark.prompts.tabulate import MAX_ATTRIBUTES, TabulateAttribute, ask_tabulate
from fieldmark.records import ImagePart, Question, Record, SkippedInput
from fieldmark.tools.images.files import FoundImages
from fieldmark.tools.llm.budget import TokenCount
from fieldmark.tools.llm.given import AskedModel

_ATTRIBUTE = "an attribute of usual length"
"""Stands for attributes and values that are not known before anything was asked."""


class FirstLook(Record):
    """The questions before any image is compared: the noun, the descriptors of each class, and the groups."""

    questions: int = 0
    cached: int = 0
    to_ask: int = 0
    tokens: int = 0
    """What the questions still to ask may use at most: bytes / 3 and the whole length of each answer."""
    cost: float | None = None
    """What those tokens cost; None where no price is set."""


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
    """No more follow-up questions than this are asked, whatever the images show; none may be."""
    follow_up_tokens: int = 0
    """What so many of the longest of them may use, about: what they will be about is not known yet."""
    follow_up_cost: float | None = None
    """What those tokens cost; None where no price is set."""
    vlm: str | None = None
    most_vlm_images: int = 0
    """No more images than this are shown to the vision-language model: those that the loop leaves open."""
    vlm_tokens: int = 0
    """What so many may use, about."""
    vlm_cost: float | None = None
    """What those tokens cost; None where no price is set."""
    skipped: tuple[SkippedInput, ...] = ()
    passed_over: dict[str, int] = Field(default_factory=dict)
    """Files in folders whose suffix is no image's: suffix → number."""


async def estimated(
    classes: Sequence[str],
    found: FoundImages,
    *,
    noun: str | None,
    options: ResolveOptions,
    llm: AskedModel | None,
    vlm: AskedModel | None,
    groups: bool = False,
) -> CallEstimate:
    """What a run would ask; asks nothing.

    Args:
        classes: The class names.
        found: The images.
        noun: The generic noun; None to have it asked.
        options: The choices of the loop.
        llm: The language model; None asks nothing.
        vlm: The vision-language model that open images are shown to; None for none.
        groups: Whether the language model is asked to group the classes.
    """
    counts, known = await first_look(classes, noun=noun, options=options, llm=llm, groups=groups)
    most = most_follow_ups(len(classes), options, images=len(found.images))
    followed = shown = TokenCount()
    word = known or options.noun
    if llm is not None and most:
        followed = times(follow_up_room(classes, options, noun=word, llm=llm), most)
    if vlm is not None:
        shown = times(look_room(classes, options, noun=word, vlm=vlm), len(found.images))
    return CallEstimate(
        images=len(found.images),
        classes=len(classes),
        model=llm.model if llm else None,
        noun=known,
        first_look=counts,
        follow_up_most=most,
        follow_up_tokens=followed.total,
        follow_up_cost=llm.cost_of(followed) if llm else None,
        vlm=vlm.model if vlm else None,
        most_vlm_images=len(found.images) if vlm else 0,
        vlm_tokens=shown.total,
        vlm_cost=vlm.cost_of(shown) if vlm else None,
        skipped=found.skipped,
        passed_over=dict(found.passed_over),
    )


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
        tokens=(room := total(llm.room(question) for question in fresh)).total,
        cost=llm.cost_of(room),
    )
    return counts, known


def follow_up_room(
    classes: Sequence[str], options: ResolveOptions, *, noun: str, llm: AskedModel
) -> TokenCount:
    """The tokens of the longest follow-up question, about: the longest names, as many attributes as fit."""
    names = sorted(classes, key=lambda name: -len(name.encode("utf-8", "replace")))
    asked: list[Question[Any]] = []
    if options.ask == "pairs":
        asked.append(ask_differentiate(names[0], names[1], noun=noun))
    else:
        asked.append(ask_differentiate_group(names[: options.group_size], noun=noun))
    if options.ask == "table":
        attributes = [
            TabulateAttribute(f"{_ATTRIBUTE} {n}", (_ATTRIBUTE,) * 3) for n in range(MAX_ATTRIBUTES)
        ]
        asked.append(ask_tabulate(names[0], attributes, noun=noun))
    return max(map(llm.room, asked), key=lambda room: room.total)


def look_room(classes: Sequence[str], options: ResolveOptions, *, noun: str, vlm: AskedModel) -> TokenCount:
    """The tokens of showing one image, about: among the longest names."""
    names = sorted(classes, key=lambda name: -len(name.encode("utf-8", "replace")))[: options.k]
    return vlm.room(ask_choose(ImagePart(data_url="data:,"), names, noun=noun))


def total(rooms: Iterable[TokenCount]) -> TokenCount:
    """The sum of several."""
    listed = list(rooms)
    return TokenCount(sum(each.prompt for each in listed), sum(each.completion for each in listed))


def times(room: TokenCount, count: int) -> TokenCount:
    """So many of the same."""
    return TokenCount(room.prompt * count, room.completion * count)


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
