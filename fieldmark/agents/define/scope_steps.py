"""The nodes of a conversation's start: the blind test set aside, clauses drafted, questions about them."""

from fieldmark.agents.define import scope
from fieldmark.agents.define.record import with_scope_answer
from fieldmark.agents.define.state import Context, DefineState, Update, expected, new_turn, put
from fieldmark.records.conversation import ScopeQuestion
from fieldmark.tools.runs.events import ClausesDrafted


async def set_aside(state: DefineState, runtime: Context) -> Update:
    """Draw the blind test before anything else is looked at."""
    context = runtime.context
    concept = context.concept
    drawn = scope.with_blind_test(concept, context.pool, context.encoder, count=context.options.blind)
    if drawn is not concept:
        context.folder.save(drawn)
    return {"version": concept.current}


async def draft(state: DefineState, runtime: Context) -> Update:
    """Draft the first clauses, and what is open about them."""
    context = runtime.context
    concept, questions, told = await scope.drafted(context.concept, state.version, context)
    context.folder.save(concept)
    context.progress(
        ClausesDrafted(clauses=len(concept.definition.active), questions=len(questions), by_name=not told)
    )
    return {
        "version": concept.current,
        "questions": questions,
        "failures": state.failures + (not told and context.llm is not None),
        "stop_reason": None if context.options.conversation else "no_conversation",
    }


async def question(state: DefineState, runtime: Context) -> Update:
    """Find images for the next question."""
    context = runtime.context
    first = state.questions[0]
    payload = ScopeQuestion(
        turn=new_turn(),
        question=first.question,
        options=first.options,
        images=scope.images_for(first, context.concept, context),
        number=state.asked + 1,
        of=min(context.options.questions, state.asked + len(state.questions)),
    )
    return put(payload) | {"asked": state.asked + 1, "questions": state.questions[1:]}


async def answered(state: DefineState, runtime: Context) -> Update:
    """Note the answer; an empty one says that the owner skips the question."""
    payload, heard = expected(state, ScopeQuestion)
    runtime.context.folder.save(with_scope_answer(runtime.context.concept, payload, heard))
    return {"leaving": heard.reply.stop}


async def revise(state: DefineState, runtime: Context) -> Update:
    """Revise the clauses by the answer, and what is open about them."""
    context = runtime.context
    concept, questions, told = await scope.redrafted(context.concept, state.version, context)
    context.folder.save(concept)
    return {
        "version": concept.current,
        "questions": state.questions if questions is None else questions,
        "failures": state.failures + (not told),
    }
