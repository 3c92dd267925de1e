"""Says what a build would ask, a part of it as a bound, and what measuring it would, exactly."""

from collections.abc import Sequence

from fieldmark.agents.build.context import BuildContext
from fieldmark.agents.build.run import whole_build
from fieldmark.agents.build.sample import drawn_rows, free_rows
from fieldmark.agents.shared.estimate import CallEstimate, FirstLook, counted, times, total
from fieldmark.prompts.queries import ask_queries
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.concepts.built import read_measurement
from fieldmark.tools.concepts.changes import blind_labels
from fieldmark.tools.llm.budget import TokenCount
from fieldmark.tools.llm.given import AskedModel

AGAIN = "An answer that leaves a clause out is asked for once more, which is not counted here."


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
    if judge is not None and isinstance(context.annotator, VlmAnnotator):
        drawn = drawn_rows(context, free)
        labelled = [label.image for label in concept.labels if label.split == "dev"]
        certain = list(dict.fromkeys((*drawn, *context.pool.rows(labelled))))
        first = first + _judged(certain, context, context.annotator, judge)
        later = min(options.annotate, len(free)) - len(drawn)
        debates = min(options.debates, min(options.annotate, len(free)))
        looks = context.annotator.foretold(definition.active)
        asked = context.annotator.debate_foretold(definition, concept=concept.name, purpose=concept.purpose)
        most = later * len(looks) + len(asked) * debates
        room = times(total(map(judge.room, looks)), later)
        room = total([room, *(times(judge.room(each), debates) for each in asked)])
    return CallEstimate(
        images=len(free),
        classes=0,
        model=model.model,
        noun=None,
        first_look=first,
        follow_up_most=most,
        follow_up_tokens=room.total,
        follow_up_cost=model.cost_of(room),
        notes=(AGAIN,) if judge is not None else (),
    )


def estimated_look(context: BuildContext, *, judge: AskedModel | None) -> CallEstimate:
    """What measuring a build on the blind test would ask; asks nothing, and is no look at it.

    Args:
        context: The build.
        judge: The model that judges images; None where CLIP does.
    """
    labels = blind_labels(context.concept)
    rows = context.pool.rows([image for image, label in labels.items() if label.value != "unsure"])
    first = FirstLook()
    notes: tuple[str, ...] = ()
    if read_measurement(context.out) is not None:
        notes = ("This version is measured already: nothing is asked.",)
    elif judge is not None and isinstance(context.annotator, VlmAnnotator):
        first, notes = _judged(rows, context, context.annotator, judge), (AGAIN,)
    return CallEstimate(
        images=len(rows),
        classes=0,
        model=judge.model if judge else None,
        noun=None,
        first_look=first,
        follow_up_most=0,
        notes=notes,
    )


def _judged(
    rows: Sequence[int], context: BuildContext, annotator: VlmAnnotator, judge: AskedModel
) -> FirstLook:
    """The questions about images whose verdicts are not stored."""
    asked = [annotator.open_clauses(context.pool.images[row], context.definition) for row in rows]
    fresh = [annotator.foretold(clauses) for clauses in asked if clauses]
    needed = total(judge.room(each) for own in fresh for each in own)
    to_ask = sum(map(len, fresh))
    return FirstLook(
        questions=len(rows) - len(fresh) + to_ask,
        cached=len(rows) - len(fresh),
        to_ask=to_ask,
        tokens=needed.total,
        cost=judge.cost_of(needed),
    )
