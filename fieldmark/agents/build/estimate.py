"""Says what a build would ask: the queries and the images drawn at random exactly, the rest as a bound."""

from typing import Any

from fieldmark.agents.build.context import BuildContext
from fieldmark.agents.build.run import whole_build
from fieldmark.agents.build.sample import drawn_rows, free_rows
from fieldmark.agents.shared.estimate import CallEstimate, FirstLook, counted, times, total
from fieldmark.prompts.argue import ask_argue
from fieldmark.prompts.judge import ask_judge
from fieldmark.prompts.queries import ask_queries
from fieldmark.prompts.settle import ask_settle
from fieldmark.records import ImagePart, Question
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.llm.budget import TokenCount
from fieldmark.tools.llm.given import AskedModel

_IMAGE = ImagePart(data_url="data:,")
_WORDS = "a sentence or two of usual length, which says what is seen in the picture and why it decides. " * 3


async def estimated(
    context: BuildContext, *, llm: AskedModel | None, judge: AskedModel | None
) -> CallEstimate:
    """What a build would ask; asks nothing.

    Args:
        context: The build.
        llm: The model that writes queries; None where clauses and name must do.
        judge: The model that judges images; None where CLIP does.
    """
    free = free_rows(context.concept, context.pool)
    model = judge or llm
    if model is None or whole_build(context.out, context.identity) is not None:
        note = "" if model is None else "This classifier is built already: nothing is asked."
        return CallEstimate(
            images=len(free), classes=0, model=model.model if model else None, noun=None,
            first_look=FirstLook(), follow_up_most=0, notes=(note,) if note else (),
        )  # fmt: skip
    concept, definition, options = context.concept, context.definition, context.options
    first = FirstLook()
    if llm is not None:
        queries = ask_queries(concept.name, purpose=concept.purpose, clauses=definition.active)
        first = await counted([queries], llm)
    most, room = 0, TokenCount()
    annotator = context.annotator
    if judge is not None and isinstance(annotator, VlmAnnotator):
        drawn = drawn_rows(context, free)
        asked = [annotator.open_clauses(context.pool.images[row], definition) for row in drawn]
        fresh = [ask_judge(_IMAGE, clauses) for clauses in asked if clauses]
        needed = total(map(judge.room, fresh))
        cost = judge.cost_of(needed)
        first = FirstLook(
            questions=first.questions + len(drawn),
            cached=first.cached + len(drawn) - len(fresh),
            to_ask=first.to_ask + len(fresh),
            tokens=first.tokens + needed.total,
            cost=None if cost is None or first.cost is None else cost + first.cost,
        )
        later = min(options.annotate, len(free)) - len(drawn)
        debates = min(options.debates, min(options.annotate, len(free)))
        most = later + 3 * debates
        room = times(judge.room(ask_judge(_IMAGE, definition.active)), later)
        room = total([room, *(times(judge.room(each), debates) for each in _debate(context))])
    return CallEstimate(
        images=len(free),
        classes=0,
        model=model.model,
        noun=None,
        first_look=first,
        follow_up_most=most,
        follow_up_tokens=room.total,
        follow_up_cost=model.cost_of(room),
    )


def _debate(context: BuildContext) -> list[Question[Any]]:
    """The three questions about an image that classifier and annotator disagree about."""
    about = {"concept": context.concept.name, "purpose": context.concept.purpose}
    sides = [ask_argue(_IMAGE, context.definition, side=side, **about) for side in ("in", "out")]
    return [*sides, ask_settle(_IMAGE, context.definition, for_in=_WORDS, for_out=_WORDS, **about)]
