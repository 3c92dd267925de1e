"""The nodes around edits: propose them, let them compete, note the decision, say whether all is done."""

from fieldmark.agents.define import edits
from fieldmark.agents.define.binding import against
from fieldmark.agents.define.context import DefineContext
from fieldmark.agents.define.ending import stop_reason
from fieldmark.agents.define.progress import PROGRESS, progress_of, read_progress
from fieldmark.agents.define.record import new_turn
from fieldmark.agents.define.scores import Standing, calls, clause_verdicts, f1_interval, standing
from fieldmark.agents.define.state import Context, DefineState, Update, expected, put
from fieldmark.errors import RunError
from fieldmark.records import Decision, DefinitionEdit
from fieldmark.records.conversation import EditOffer, OfferReply
from fieldmark.tools.concepts.changes import dev_labels, edited, now, with_decision, with_version
from fieldmark.tools.runs.concept_events import BoardFinished, EditsProposed, EditsWeighed
from fieldmark.tools.runs.events import RunFinished


async def refine(state: DefineState, runtime: Context) -> Update:
    """Ask for edits that would mend what the owner and the annotator disagree on."""
    context = runtime.context
    concept = context.concept
    found = await context.annotator.judge(context.files(list(dev_labels(concept))), concept.definition)
    candidates, answered = await edits.proposed(concept, found, context)
    context.progress(EditsProposed(candidates=len(candidates)))
    return {"candidates": candidates, "failures": state.failures + (not answered)}


async def weigh(state: DefineState, runtime: Context) -> Update:
    """Let the candidates compete with the definition in force; the best one is offered, if it wins.

    With few labels none competes, not even the removal of a clause that nobody proposed.
    """
    context = runtime.context
    concept = context.concept
    labels = dev_labels(concept)
    if len(labels) < edits.LEAST_LABELS:
        return {"candidates": ()}
    if state.offers >= context.options.offers or state.leaving:
        return {"candidates": ()}
    left = edits.still_possible(state.candidates, concept.definition)
    tried = await edits.weigh(left, concept, context)
    best = edits.best(tried, labels)
    context.progress(EditsWeighed(candidates=len(tried), offered=best is not None))
    if best is None:
        return {"candidates": ()}
    offer = EditOffer(
        turn=new_turn(),
        edit=best.edit,
        diff=edits.diff_lines(concept.definition, best.edit),
        flips=best.flips,
        f1_before=best.f1.before,
        f1_after=best.f1.after,
        f1_before_ci=f1_interval(labels, {**best.called, **{flip.image: flip.before for flip in best.flips}}),
        f1_after_ci=f1_interval(labels, best.called),
        against=against(best.edit, concept),
    )
    return put(offer) | {
        "candidates": tuple(edit for edit in left if edit.clause.id != best.edit.clause.id),
        "offers": state.offers + 1,
    }


async def decided(state: DefineState, runtime: Context) -> Update:
    """Make the edit, or note that the owner does not want it."""
    context = runtime.context
    payload, heard = expected(state, EditOffer)
    reply = heard.reply
    if not isinstance(reply, OfferReply):
        raise RunError("An offered edit was answered with something else.")
    answer = "accepted" if reply.accept else "declined"
    edit, tried = in_words(payload.edit, reply.words), not reply.words
    if not tried:
        answer = "accepted in other words"
    concept = with_decision(
        context.concept,
        Decision(
            kind="edit",
            question=payload.edit.why,
            images=tuple(flip.image for flip in payload.flips),
            answer=f"{answer}: {reply.reason.strip()}" if reply.reason.strip() else answer,
            edit=edit,
            against=payload.against,
            at=heard.at,
        ),
    )
    if reply.accept and concept.current == state.version:
        concept = with_version(
            concept,
            edited(concept.definition, edit),
            why=payload.edit.why or f"{payload.edit.kind} of a clause",
            at=heard.at,
            scores={"dev_f1": payload.f1_after} if tried and payload.f1_after is not None else {},
        )
    context.folder.save(concept)
    return {
        "heard": None,
        "payload": None,
        "version": concept.current,
        "accepted": state.accepted + reply.accept,
        "unverified": (state.unverified or state.version) if reply.accept else state.unverified,
        "leaving": state.leaving or reply.stop,
    }


def in_words(edit: DefinitionEdit, words: str) -> DefinitionEdit:
    """An edit with its clause in other words; as it is where there are none."""
    if not words:
        return edit
    return edit.model_copy(update={"clause": edit.clause.model_copy(update={"text": words})})


async def triage(state: DefineState, runtime: Context) -> Update:
    """Say whether the conversation is done, and why."""
    context = runtime.context
    concept = context.concept
    if state.leaving:
        return {"stop_reason": "owner"}
    quiet = 0 if state.accepted else state.quiet + 1
    here = await standing_of(context)
    reason = stop_reason(state, here, concept, quiet=quiet, options=context.options)
    progress = progress_of(
        state.model_copy(update={"quiet": quiet, "stop_reason": reason}), here, concept, context.options
    )
    context.folder.write(PROGRESS, progress)
    context.progress(BoardFinished(progress=progress))
    return {"quiet": quiet, "stop_reason": reason}


async def finish(state: DefineState, runtime: Context) -> Update:
    """Note why the conversation ended."""
    context = runtime.context
    concept = context.concept
    last = concept.decisions[-1] if concept.decisions else None
    if state.stop_reason and not (last and last.kind == "stop"):
        stopped = Decision(kind="stop", question="", answer=state.stop_reason, at=now())
        context.folder.save(with_decision(concept, stopped))
    earlier = read_progress(context.folder.path)
    if earlier is not None:
        context.folder.write(PROGRESS, earlier.model_copy(update={"stop_reason": state.stop_reason}))
    context.progress(RunFinished(stop_reason=state.stop_reason))
    return {}


async def standing_of(context: DefineContext) -> Standing:
    """Where the conversation stands by the labels so far."""
    concept = context.concept
    found = await context.annotator.judge(context.files(list(dev_labels(concept))), concept.definition)
    return standing(concept, calls(concept.definition, clause_verdicts(found)))
