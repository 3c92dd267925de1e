"""Says what a run would ask before it asks: the first look exactly, the follow-up questions as a bound."""

from collections.abc import Sequence
from typing import Any

from fieldmark.agents.resolve.context import MOST_PAIRS, SHORTLIST
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.shared.estimate import CallEstimate, FirstLook, counted, longest, longest_first, times
from fieldmark.prompts.choose import ask_choose
from fieldmark.prompts.describe import ask_describe
from fieldmark.prompts.differentiate import ask_differentiate
from fieldmark.prompts.differentiate_group import ask_differentiate_group
from fieldmark.prompts.family import ask_families
from fieldmark.prompts.noun import ask_noun
from fieldmark.prompts.rules import with_rules
from fieldmark.prompts.tabulate import MAX_ATTRIBUTES, TabulateAttribute, ask_tabulate
from fieldmark.records import ImagePart, Question, UsageLimits
from fieldmark.tools.llm.budget import TokenCount
from fieldmark.tools.llm.given import AskedModel

_ATTRIBUTE = "an attribute of usual length"
"""Stands for attributes and values that are not known before anything was asked."""


async def estimated(
    classes: Sequence[str],
    images: int,
    *,
    noun: str | None,
    options: ResolveOptions,
    llm: AskedModel | None,
    vlm: AskedModel | None,
    groups: bool = False,
    limits: UsageLimits | None = None,
) -> CallEstimate:
    """What a run would ask; asks nothing.

    Args:
        classes: The class names.
        images: How many images.
        noun: The generic noun; None to have it asked.
        options: The choices of the loop.
        llm: The language model; None asks nothing.
        vlm: The vision-language model that open images are shown to; None for none.
        groups: Whether the language model is asked to group the classes.
        limits: What the run may spend.
    """
    counts, known = await first_look(classes, noun=noun, options=options, llm=llm, groups=groups)
    most = most_follow_ups(len(classes), options, images=images)
    followed = shown = TokenCount()
    word = known or options.noun
    if llm is not None and most:
        followed = times(longest(longest_follow_ups(classes, options, noun=word), llm), most)
    if vlm is not None:
        shown = times(look_room(classes, options, noun=word, vlm=vlm), images)
    return CallEstimate(
        images=images,
        classes=len(classes),
        model=llm.model if llm else None,
        noun=known,
        first_look=counts,
        follow_up_most=most,
        follow_up_tokens=followed.total,
        follow_up_cost=llm.cost_of(followed) if llm else None,
        vlm=vlm.model if vlm else None,
        most_vlm_images=images if vlm else 0,
        vlm_tokens=shown.total,
        vlm_cost=vlm.cost_of(shown) if vlm else None,
        notes=_notes(len(classes), options, limits, images=images),
    )


def _notes(
    classes: int, options: ResolveOptions, limits: UsageLimits | None, *, images: int
) -> tuple[str, ...]:
    notes: list[str] = []
    if images * classes > MOST_PAIRS and options.rule == "evidence":
        notes.append(
            f"The pool is too large for the evidence rule: the table rule scores each image for its "
            f"{min(classes, SHORTLIST)} likeliest classes of the first look."
        )
    if limits is not None and limits.max_calls is not None:
        notes.append(f"It stops after {limits.max_calls:,} calls, those of the first look among them.")
    return tuple(notes)


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
    if options.words is not None:
        questions = [with_rules(each, options.words.instructions) for each in questions]
    return await counted(questions, llm), known


def longest_follow_ups(classes: Sequence[str], options: ResolveOptions, *, noun: str) -> list[Question[Any]]:
    """The longest follow-up question of each kind, about: the longest names, as many attributes as fit."""
    names = longest_first(classes)
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
    return asked


def look_room(classes: Sequence[str], options: ResolveOptions, *, noun: str, vlm: AskedModel) -> TokenCount:
    """The tokens of showing one image, about: among the longest names."""
    names = longest_first(classes)[: options.k]
    return vlm.room(ask_choose(ImagePart(data_url="data:,"), names, noun=noun))


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
