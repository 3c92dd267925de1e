"""Says what a prompt search would ask before it asks: what comes first exactly, the rest as a bound."""

from typing import Any

from fieldmark.agents.optimize.gather import first_questions
from fieldmark.agents.optimize.options import OptimizeOptions
from fieldmark.agents.optimize.reflect import MOST_CLASSES
from fieldmark.agents.shared.estimate import CallEstimate, FirstLook, counted, longest_first, times, total
from fieldmark.prompts.differentiate_group import ask_differentiate_group
from fieldmark.prompts.noun import ask_noun
from fieldmark.prompts.question_kind import PlannedQuestion
from fieldmark.prompts.reflect import MOST_ADDED, ConfusedGroup, Confusion, Described, ask_reflect
from fieldmark.prompts.registry import kind_of
from fieldmark.records import Question
from fieldmark.tools.books.descriptions import GivenTexts
from fieldmark.tools.datasets.labelled import LabelledImages
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.search.reflect import REFLECT

_MARK = "a mark of usual length"


async def estimated(
    images: LabelledImages,
    *,
    noun: str | None,
    options: OptimizeOptions,
    given: GivenTexts,
    llm: AskedModel | None,
) -> CallEstimate:
    """What a search would ask; asks nothing, and encodes nothing.

    Args:
        images: The images.
        noun: The generic noun; None to have it asked.
        options: The choices of the search.
        given: Descriptions and other words for the classes.
        llm: The language model; None asks nothing.
    """
    first, most, room, known = FirstLook(), 0, total(()), noun
    if llm is not None:
        asked: list[Question[Any]] = []
        if noun is None:
            asked.append(question := ask_noun(images.classes))
            if await llm.peek(question):
                known = (await llm.ask(question)).value.noun  # from the cache, as was just seen
        word = known or options.noun
        asked += [
            kind_of(spec.kind).ask(PlannedQuestion(spec=spec, noun=word))
            for spec in first_questions(images.classes, options, given)
        ]
        first = await counted(asked, llm)
        rest = follow_ups(images.classes, options, noun=word)
        most = sum(count for count, _ in rest)
        room = total(times(llm.room(question), count) for count, question in rest)
    return CallEstimate(
        images=len(images.train) + len(images.test),
        classes=len(images.classes),
        model=llm.model if llm else None,
        noun=known,
        first_look=first,
        follow_up_most=most,
        follow_up_tokens=room.total,
        follow_up_cost=llm.cost_of(room) if llm else None,
        skipped=images.skipped,
    )


def follow_ups(
    classes: tuple[str, ...], options: OptimizeOptions, *, noun: str
) -> list[tuple[int, Question[Any]]]:
    """How many questions follow at most, and the longest of each kind: look-alikes, and what is confused."""
    names = longest_first(classes)
    found: list[tuple[int, Question[Any]]] = []
    if options.contrasts and len(names) > 1:
        groups = options.contrasts * -(-len(names) // options.contrast_size)
        group = names[: options.contrast_size + 1]  # a class that is left over joins a group
        found.append((groups, ask_differentiate_group(group, noun=noun)))
    times_asked = max(0, options.passes - 1) if options.generations else 0
    if REFLECT in options.operators and times_asked and len(names) > 1:
        described = tuple(Described(name=n, descriptors=(_MARK,) * MOST_ADDED) for n in names[:MOST_CLASSES])
        confused = tuple(
            Confusion(class_name=one.name, taken_for=other.name, wrong=1, of=1, share=0.5)
            for one in described
            for other in described
            if one is not other
        )
        group = ConfusedGroup(classes=described, confusions=confused, seen="mistakes")
        found.append((times_asked * options.reflections, ask_reflect(group, noun=noun)))
    return found
