"""The start of a conversation: the blind test set aside, clauses drafted, questions asked and taken in."""

import logging
from collections.abc import Sequence

from fieldmark.agents.define.binding import DRAFTED, NAME_ALONE, REVISED
from fieldmark.agents.define.context import DefineContext
from fieldmark.agents.define.record import new_turn, with_scope_answer
from fieldmark.agents.define.state import Context, DefineState, OpenScope, Update, expected, put
from fieldmark.errors import QuestionFailed
from fieldmark.prompts.scope import Scope, ask_scope
from fieldmark.records import Clause, ClauseRole, Concept, Decision, Definition
from fieldmark.records.conversation import ScopeQuestion
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.changes import clause_ids, now, settled_answers, with_version
from fieldmark.tools.concepts.mining import distinct_rows, rows_apart
from fieldmark.tools.concepts.pool import ImagePool
from fieldmark.tools.concepts.stratified_sample import STRATA, draw_stratified
from fieldmark.tools.runs.concept_events import ClausesDrafted
from fieldmark.tools.runs.events import StepFailed

logger = logging.getLogger(__name__)

MOST_BLIND_SHARE = 0.5
"""A small pool gives at most this share of its images to the blind test."""


async def set_aside(state: DefineState, runtime: Context) -> Update:
    """Draw the blind test before anything else is looked at."""
    context = runtime.context
    concept = context.concept
    drawn = with_blind_test(concept, context.pool, context.encoder, count=context.options.blind)
    if drawn is not concept:
        context.folder.save(drawn)
    return {"version": concept.current}


async def draft(state: DefineState, runtime: Context) -> Update:
    """Draft the first clauses, and what is open about them."""
    context = runtime.context
    concept, questions, by_model = await drafted(context.concept, state.version, context)
    context.folder.save(concept)
    context.progress(
        ClausesDrafted(clauses=len(concept.definition.active), questions=len(questions), by_name=not by_model)
    )
    return {
        "version": concept.current,
        "questions": questions,
        "failures": state.failures + (not by_model and context.llm is not None),
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
        images=images_for(first, context.concept, context),
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
    concept, questions, by_model = await redrafted(context.concept, state.version, context)
    context.folder.save(concept)
    return {
        "version": concept.current,
        "questions": state.questions if questions is None else questions,
        "failures": state.failures + (not by_model),
    }


def with_blind_test(concept: Concept, pool: ImagePool, encoder: Encoder, *, count: int) -> Concept:
    """The concept with its blind test drawn, once and for all; unchanged where that was done, or is too late.

    Drawn by the cosine with the concept's bare name, before anything else has been looked at: once something
    was said of the concept it is too late. Where none is wanted, or the pool is too small, it is empty.
    """
    begun = concept.labels or concept.decisions or concept.versions
    if concept.blind_drawn or concept.blind or begun:
        return concept
    concept = concept.model_copy(update={"blind_drawn": True})
    count = min(count, int(len(pool) * MOST_BLIND_SHARE))
    if count < len(STRATA):
        return concept
    name = encoder.encode_texts([f"a photo of a {concept.name}"])
    drawn = draw_stratified(pool.vectors @ name[0], count, seed=concept.seed)
    weights = {pool.images[row].content_hash: weight for row, weight in drawn.items()}
    return concept.model_copy(update={"blind": weights})


async def drafted(
    concept: Concept, version: int, context: DefineContext
) -> tuple[Concept, tuple[OpenScope, ...], bool]:
    """The concept with its first definition, the open questions, and whether the language model drafted it.

    Where there is no language model, or it gives no usable answer, the name is the only clause.
    """
    found = await _scope(concept, version, context)
    if found is None:
        only = Clause(id="c1", role="necessary", text=f"The image shows: {concept.name}.")
        clauses, why = (only,), NAME_ALONE
    else:
        clauses = revised(concept, [(each.role, each.text) for each in found.clauses], agreed=False)
        why = DRAFTED
    return _with_new_version(concept, version, clauses, why), _open(found, concept), found is not None


async def redrafted(
    concept: Concept, version: int, context: DefineContext
) -> tuple[Concept, tuple[OpenScope, ...] | None, bool]:
    """The concept with its clauses revised by the latest answer, and what is still open.

    Args:
        concept: The concept.
        version: The version that the answer was about; an answer taken in before a kill is not taken twice.
        context: The conversation's tools.

    Returns:
        The concept; the open questions, None where they stay as they were; and whether an answer came.
    """
    found = await _scope(concept, version, context)
    if found is None:
        return concept, None, context.llm is None
    clauses = revised(concept, [(each.role, each.text) for each in found.clauses], agreed=True)
    return _with_new_version(concept, version, clauses, REVISED), _open(found, concept), True


def _with_new_version(concept: Concept, before: int, clauses: tuple[Clause, ...], why: str) -> Concept:
    if concept.current != before:
        return concept
    return with_version(concept, Definition(clauses=clauses), why=why, at=now())


def revised(
    concept: Concept, wanted: Sequence[tuple[ClauseRole, str]], *, agreed: bool
) -> tuple[Clause, ...]:
    """The clauses of a definition that holds just what is wanted: kept ones keep their ids, others go."""
    old = {(clause.role, clause.text): clause for clause in concept.definition.active}
    kept = {key for key in wanted if key in old}
    clauses = [
        clause
        if (clause.role, clause.text) in kept or clause.state == "dropped"
        else clause.model_copy(update={"state": "dropped"})
        for clause in concept.definition.clauses
    ]
    fresh = [key for key in dict.fromkeys(wanted) if key not in old]
    for name, (role, text) in zip(clause_ids(concept, len(fresh)), fresh, strict=True):
        clauses.append(Clause(id=name, role=role, text=text, state="agreed" if agreed else "open"))
    return tuple(clauses)


def answers(concept: Concept) -> list[tuple[str, str]]:
    """All questions about the concept so far, with the answers."""
    return list(settled_answers(concept).items())


def images_for(question: OpenScope, concept: Concept, context: DefineContext) -> tuple[str, ...]:
    """Images that show what a question is about, no two alike; none of the blind test, nor like one of it."""
    count, pool = context.options.question_images, context.pool
    free = set(rows_apart(pool.vectors, context.free_rows(concept), pool.rows(list(concept.blind))))
    if not count or not free:
        return ()
    vector = context.encoder.encode_texts([question.about])
    without = [row for row in range(len(pool)) if row not in free]
    rows = pool.search(vector, 4 * count, without=without).rows[0].tolist()
    rows = [row for row in rows if pool.images[row].path.is_file()]
    kept = distinct_rows(pool.vectors[rows])[:count] if rows else []
    return tuple(pool.images[rows[at]].content_hash for at in kept)


def asked_already(decisions: Sequence[Decision]) -> set[str]:
    """Questions that were put to the owner, in one spelling."""
    return {_plain(decision.question) for decision in decisions if decision.kind == "scope"}


async def _scope(concept: Concept, version: int, context: DefineContext) -> Scope | None:
    if context.llm is None:
        return None
    clauses = concept.versions[version - 1].definition.active if version else ()
    question = ask_scope(concept.name, purpose=concept.purpose, clauses=clauses, asked=answers(concept))
    try:
        return (await context.llm.ask(question)).value
    except QuestionFailed as error:
        logger.warning("The clauses could not be drafted (%s).", error.code)
        context.progress(StepFailed(kind="scope", reason=error.code))
        return None


def _open(found: Scope | None, concept: Concept) -> tuple[OpenScope, ...]:
    known = asked_already(concept.decisions)
    return tuple(
        OpenScope(question=each.question, about=each.about, options=tuple(dict.fromkeys(each.options)))
        for each in (found.questions if found else ())
        if _plain(each.question) not in known
    )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
