"""The resolve graph: describe, encode, score, triage, then ask about what is still confused."""

from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from fieldmark.agents.resolve import rescoring
from fieldmark.agents.resolve import triage as triaging
from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.evidence import weighed
from fieldmark.agents.resolve.finish import RunOutcome, conclude
from fieldmark.agents.resolve.first_look import first_book, first_scores, shortlisted
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.resolve.planning import GroupPlanner, PairPlanner, Planner, TablePlanner
from fieldmark.agents.resolve.rescoring import load_array
from fieldmark.agents.resolve.state import Batch, Looks, ResolveState
from fieldmark.agents.resolve.vlm_fallback import KEPT_BACK, load_looks, look_at, undecided
from fieldmark.agents.shared.ask import ask
from fieldmark.agents.shared.notes import Notebook, halted, in_plan_order, kept_back, settled
from fieldmark.errors import EndpointError, NoImagesError
from fieldmark.records import PromptBook, QuestionSpec, StopReason
from fieldmark.tools.runs.events import (
    EncodingStarted,
    LabelsTaken,
    LookingFinished,
    LookingStarted,
    RoundPlanned,
    RoundSummary,
    RunFinished,
)
from fieldmark.tools.scoring.candidates import class_probabilities

MOST_SENDS = 400
"""Fan-outs beyond this are sent in batches: a step of thousands of tasks bloats the checkpoint."""
RECURSION_LIMIT = 200
"""Graph steps; the loop counts its own passes, this only guards against a fault in the graph itself."""


Context = Runtime[ResolveContext]
Update = dict[str, Any]
ResolveGraph = CompiledStateGraph[ResolveState, ResolveContext, ResolveState, ResolveState]


# ---------------------------------------------------------------- nodes


async def ask_batch(state: Batch, runtime: Context) -> Update:
    """Ask the questions of one task, one after the other; answers are cached as they come."""
    return {"fresh": [await ask(spec, runtime.context) for spec in state.specs]}


async def encode(state: ResolveState, runtime: Context) -> Update:
    """Settle the first prompts, then encode every distinct image and text that has no vector yet."""
    context = runtime.context
    known = rescoring.load_notebook(state.notebook, context).notes
    if state.fresh and not known and all(note.failure == "endpoint" for note in state.fresh):
        raise EndpointError(
            f"No class could be described: {state.fresh[0].reason}",
            hint="Nothing was lost. `fieldmark doctor` (`probe_endpoint` in Python) tells what the endpoint "
            "can do.",
        )
    notes = in_plan_order((*known, *settled(state.fresh)), describe_specs(context))
    book = first_book(notes, context)
    context.progress(EncodingStarted(images=len(context.images), texts=len(book.prompts)))
    context.encoder.encode_texts([prompt.text for prompt in book.prompts])
    if not len(context.vectors):
        raise NoImagesError(
            "No image could be encoded.", hint="The run's manifest names each file with the reason."
        )
    notebook = Notebook(notes=notes)
    return {
        "book": context.arrays.put_json(book.model_dump(mode="json")),
        "notebook": context.arrays.put_json(notebook.model_dump(mode="json")),
        "halted": halted(state.fresh),
        "labels": context.labels_hash,
        "fresh": None,
    }


async def score(state: ResolveState, runtime: Context) -> Update:
    """Score all classes by the first prompts, and fix the temperature for good."""
    context = runtime.context
    book = PromptBook.model_validate(context.arrays.get_json(state.book))
    listed = None
    if context.shortlists:
        listed, scores, probabilities, temperature = shortlisted(book, context)
    else:
        scores, temperature = first_scores(book, context)
        probabilities = class_probabilities(scores, temperature)
    return {
        "shortlist": "" if listed is None else context.arrays.put(listed.numpy()),
        "scores": context.arrays.put(scores.numpy()),
        "first": context.arrays.put(probabilities.numpy()),
        "temperature": temperature,
    }


async def triage(state: ResolveState, runtime: Context) -> Update:
    """Recompute candidates within the earlier ones, and say whether the loop is done."""
    context = runtime.context
    candidates, summary = triaged(state, context)
    context.progress(summary)
    context.run.event(summary)
    history = (*state.history, summary)
    return {
        "candidates": candidates,
        "admitted": state.admitted if state.round else candidates,
        "earlier": state.candidates,
        "history": history,
        "shows": context.vlm is not None,
        "stop_reason": stop_reason(history, state=state, options=context.options),
    }


def triaged(state: ResolveState, context: ResolveContext) -> tuple[str, RoundSummary]:
    """Hash of the candidates that the state's scores leave, and a summary of them."""
    table = (
        rescoring.tabulated(
            state.notebook,
            load_array(state.first, context),
            state.candidates,
            context,
            shortlist=state.shortlist,
        )
        if state.round and context.rule != "fudd"
        else None
    )
    by_evidence = context.rule == "evidence"
    evidence = weighed(state.notebook, context) if by_evidence else None
    result = triaging.triage(
        scores_hash=state.scores,
        candidates_hash=state.candidates,
        temperature=state.temperature,
        undescribed=rescoring.undescribed_classes(table) if table else None,
        admitted_hash=state.admitted,
        evidence=evidence,
        shortlist=state.shortlist,
        context=context,
    )
    notes = rescoring.load_notebook(state.notebook, context).notes
    summary = RoundSummary(
        round=state.round,
        questions=sum(note.spec.kind != "describe" for note in notes),
        resolved=result.resolved,
        open=result.open,
        rejected=result.rejected,
        candidates=result.left,
        attributes=len(table.guide.attributes) if table else 0,
        views=evidence.worth if evidence else None,
        scores=state.scores,
    )
    return result.candidates_hash, summary


def with_new_labels(state: ResolveState, context: ResolveContext) -> Update:
    """What changes where a run that has ended is scored anew, with labels that came since; nothing is asked.

    Why it stopped stays, unless no image is left open.
    """
    scores, _ = rescoring.rescore(
        state.notebook,
        load_array(state.first, context),
        state.candidates,
        context,
        shortlist=state.shortlist,
    )
    scored = state.model_copy(update={"scores": context.arrays.put(scores.numpy())})
    candidates, summary = triaged(scored, context)
    context.run.event(LabelsTaken(labels=len(context.labels), open=summary.open))
    return {
        "scores": scored.scores,
        "candidates": candidates,
        "labels": context.labels_hash,
        "history": (*state.history[:-1], summary),
        "stop_reason": state.stop_reason if summary.open else "resolved",
    }


async def plan(state: ResolveState, runtime: Context) -> Update:
    """Choose the questions of the next round; none left that are worth asking means no progress."""
    context = runtime.context
    view = rescoring.plan_view(
        state.notebook,
        load_array(state.first, context),
        load_array(state.scores, context),
        load_array(state.candidates, context),
        state.temperature,
        context,
        scored_within=state.earlier,
        shortlist=state.shortlist,
    )
    specs = planner_of(context).plan(view)
    planned = RoundPlanned(round=state.round + 1, questions=len(specs))
    context.progress(planned)
    context.run.event(planned)
    return {"plan": specs} if specs else {"plan": (), "stop_reason": "no_progress"}


async def rescore(state: ResolveState, runtime: Context) -> Update:
    """Take the answers in, and score all images at once by everything known so far."""
    context = runtime.context
    fresh = in_plan_order(settled(state.fresh), state.plan)
    notebook = rescoring.load_notebook(state.notebook, context).with_notes(fresh)
    notebook_hash = context.arrays.put_json(notebook.model_dump(mode="json"))
    scores, temperature = rescoring.rescore(
        notebook_hash,
        load_array(state.first, context),
        state.candidates,
        context,
        shortlist=state.shortlist,
    )
    return {
        "notebook": notebook_hash,
        "scores": context.arrays.put(scores.numpy()),
        "temperature": temperature,
        "round": state.round + 1,
        "halted": halted(state.fresh),
        "kept_back": kept_back(state.fresh, state.plan),
        "plan": (),
        "fresh": None,
    }


async def look(state: ResolveState, runtime: Context) -> Update:
    """Show the images that are left open to the vision-language model, once."""
    context = runtime.context
    if context.vlm is None:  # taken away between two processes of one run
        return {}
    known = {look.image: look for look in load_looks(state.looks, context) if look.failure not in KEPT_BACK}
    images = undecided(outcome_of(state, context), context)
    unseen = [each for each in images if each.image.content_hash not in known]
    if not unseen:
        return {"looks_kept_back": 0}
    context.progress(LookingStarted(images=len(unseen)))
    seen = await look_at(unseen, context.vlm, context)
    kept_back = sum(look.failure in KEPT_BACK for look in seen)
    decided = sum(look.label is not None for look in seen)
    context.run.event(LookingFinished(images=len(seen), decided=decided, kept_back=kept_back))
    looks = Looks(looks=(*known.values(), *seen))
    return {
        "looks": context.arrays.put_json(looks.model_dump(mode="json")),
        "looks_kept_back": kept_back,
    }


async def finish(state: ResolveState, runtime: Context) -> Update:
    """Write what the run found: predictions and the prompt book."""
    context = runtime.context
    conclude(
        outcome_of(state, context),
        context,
        book=PromptBook.model_validate(context.arrays.get_json(state.book)),
        looks=load_looks(state.looks, context),
    )
    runtime.context.run.event(RunFinished(stop_reason=state.stop_reason))
    return {}


# ---------------------------------------------------------------- decisions


def describe_specs(context: ResolveContext) -> tuple[QuestionSpec, ...]:
    """The questions of the first look: none where a run starts from names or from a book."""
    if context.options.start != "descriptors":
        return ()
    return tuple(
        QuestionSpec(kind="describe", classes=(name,), sample=sample)
        for sample in range(context.options.descriptor_samples)
        for name in context.classes
    )


def outcome_of(state: ResolveState, context: ResolveContext) -> RunOutcome:
    """Where the loop ended."""
    return RunOutcome(
        notebook=state.notebook,
        first=load_array(state.first, context),
        scores=load_array(state.scores, context),
        candidates=load_array(state.candidates, context),
        scored_within=state.earlier,
        temperature=state.temperature,
        rounds=state.round,
        shortlist=state.shortlist,
    )


def planner_of(context: ResolveContext) -> Planner:
    """The planner that the options name."""
    by_evidence = context.rule == "evidence"
    table = TablePlanner(second_opinions=context.options.second_opinions or not by_evidence)
    planners: dict[str, Planner] = {"table": table, "groups": GroupPlanner(), "pairs": PairPlanner()}
    return planners[context.options.ask]


def stop_reason(
    history: Sequence[RoundSummary], *, state: ResolveState, options: ResolveOptions
) -> StopReason | None:
    """Why the loop ends here, in words an outsider can read; None while it should go on."""
    summary = history[-1]
    # Where half the classes were described, an image that only these are left for is not resolved.
    if state.halted and (summary.open or not state.round):
        return state.halted
    if summary.open == 0:
        return "resolved"
    if state.round >= options.max_rounds:
        return "max_rounds"
    if stalled_rounds(history) >= options.patience:
        return "no_progress"
    return None


def stalled_rounds(history: Sequence[RoundSummary]) -> int:
    """How many of the last rounds in a row changed no candidate."""
    latest_first = pairwise(summary.candidates for summary in reversed(history))
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], latest_first))


# ---------------------------------------------------------------- routers


def _sends(node: str, specs: Sequence[QuestionSpec]) -> list[Send]:
    size = max(1, -(-len(specs) // MOST_SENDS))
    return [Send(node, Batch(specs=tuple(specs[i : i + size]))) for i in range(0, len(specs), size)]


def route_start(state: ResolveState, runtime: Context) -> list[Send] | Literal["encode"]:
    """Ask for descriptors class by class, unless the run starts from names or a book, or has them already."""
    notes = rescoring.load_notebook(state.notebook, runtime.context).notes
    specs = kept_back(notes, describe_specs(runtime.context))
    return _sends("describe", specs) if specs else "encode"


def route_triage(state: ResolveState) -> Literal["plan", "look", "finish"]:
    """Go on asking, or end the loop."""
    return _after_loop(state) if state.stop_reason else "plan"


def route_plan(state: ResolveState) -> list[Send] | Literal["look", "finish"]:
    """Fan the planned questions out, or end the loop where none is left."""
    return _sends("differentiate", state.plan) if state.plan else _after_loop(state)


def _after_loop(state: ResolveState) -> Literal["look", "finish"]:
    """Show what is open, where it is to be shown; a loop that was stopped has not said its last word."""
    return "look" if state.shows and state.stop_reason not in ("budget", "endpoint") else "finish"


# ---------------------------------------------------------------- edges


def build_graph(checkpointer: Any = None) -> ResolveGraph:
    """Build the resolve graph; the only place where its edges appear.

    Args:
        checkpointer: A LangGraph checkpointer, or None to keep nothing.
    """
    graph = StateGraph(ResolveState, context_schema=ResolveContext)
    graph.add_node("describe", ask_batch, input_schema=Batch)
    graph.add_node("encode", encode)
    graph.add_node("score", score)
    graph.add_node("triage", triage)
    graph.add_node("plan", plan)
    graph.add_node("differentiate", ask_batch, input_schema=Batch)
    graph.add_node("rescore", rescore)
    graph.add_node("look", look)
    graph.add_node("finish", finish)

    graph.add_conditional_edges(START, route_start, ["describe", "encode"])
    graph.add_edge("describe", "encode")
    graph.add_edge("encode", "score")
    graph.add_edge("score", "triage")
    graph.add_conditional_edges("triage", route_triage, ["plan", "look", "finish"])
    graph.add_conditional_edges("plan", route_plan, ["differentiate", "look", "finish"])
    graph.add_edge("differentiate", "rescore")
    graph.add_edge("rescore", "triage")
    graph.add_edge("look", "finish")
    graph.add_edge("finish", END)
    return graph.compile(checkpointer=checkpointer, name="resolve")
