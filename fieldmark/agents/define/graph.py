"""The define graph: draft clauses, ask about them, show boards of borderline images, mend the definition."""

from collections.abc import Callable
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph

from fieldmark.agents.define.board_steps import board, judge, labelled, mine, revealed, test, tested, verdicts
from fieldmark.agents.define.context import DefineContext
from fieldmark.agents.define.edit_steps import decided, finish, refine, triage, weigh
from fieldmark.agents.define.scope import answered, draft, question, revise, set_aside
from fieldmark.agents.define.state import Context, DefineGraph, DefineState, Update, hear, within_limits
from fieldmark.records.conversation import BlindBatch, EditOffer, ScopeReply

# ---------------------------------------------------------------- interrupts: nothing but the question


async def ask(state: DefineState) -> Update:
    """Wait for the answer to a question about the concept."""
    return hear(state)


async def label(state: DefineState) -> Update:
    """Wait for the labels of a board."""
    return hear(state)


async def reveal(state: DefineState) -> Update:
    """Show the verdicts on a board, and wait for what the owner says to them."""
    return hear(state)


async def offer(state: DefineState) -> Update:
    """Wait for a yes or no to an edit."""
    return hear(state)


async def blind(state: DefineState) -> Update:
    """Wait for labels of the blind test."""
    return hear(state)


# ---------------------------------------------------------------- routers


def route_set_aside(
    state: DefineState, runtime: Context
) -> Literal["draft", "revise", "verdicts", "mine", "board", "test"]:
    """Draft what has no definition yet; go on with boards where there is one.

    Where a limit came between an answer and what follows from it, that is next: clauses are still to be
    revised by it, or the verdicts on its board to be shown.
    """
    if state.due == "revise" and state.version:
        return "revise"
    if state.due == "verdicts" and state.board is not None:
        return "verdicts"
    return "draft" if not state.version else _to_board(state, runtime)


def route_draft(state: DefineState, runtime: Context) -> Literal["question", "mine", "board", "test"]:
    """Ask what is open, as often as the options allow."""
    if not state.stop_reason and state.questions and state.asked < runtime.context.options.questions:
        return "question"
    return _to_board(state, runtime)


def route_answered(
    state: DefineState, runtime: Context
) -> Literal["triage", "revise", "question", "mine", "board", "test"]:
    """Take an answer in; nothing follows from a question that was skipped."""
    if state.leaving:
        return "triage"
    reply = state.heard.reply if state.heard else None
    return "revise" if isinstance(reply, ScopeReply) and reply.answer.strip() else route_draft(state, runtime)


def route_board(state: DefineState) -> Literal["label", "test"]:
    """Show the board, if there is one."""
    return "test" if state.stop_reason else "label"


def route_labelled(state: DefineState) -> Literal["label", "triage", "verdicts"]:
    """Show skipped images again; then the verdicts."""
    if state.again:
        return "label"
    return "triage" if state.leaving else "verdicts"


def route_revealed(state: DefineState) -> Literal["refine", "triage"]:
    """Look for edits, unless the owner leaves."""
    return "triage" if state.leaving else "refine"


def route_weigh(state: DefineState) -> Literal["offer", "triage", "test"]:
    """Offer the best edit, if one won."""
    if state.stop_reason:
        return "test"
    return "offer" if isinstance(state.payload, EditOffer) and state.heard is None else "triage"


def route_triage(state: DefineState, runtime: Context) -> Literal["mine", "board", "test"]:
    """Go on with another board, or end."""
    return _to_board(state, runtime)


def route_test(state: DefineState) -> Literal["blind", "finish"]:
    """Ask for blind labels while some are missing."""
    return "blind" if isinstance(state.payload, BlindBatch) and state.heard is None else "finish"


def route_tested(state: DefineState) -> Literal["blind", "test"]:
    """Show skipped images again; then the next batch."""
    return "blind" if state.again else "test"


def or_test(then: str) -> Callable[[DefineState], str]:
    """A router that goes on unless a limit stopped the node."""

    def route(state: DefineState) -> str:
        return "test" if state.stop_reason else then

    return route


def _to_board(state: DefineState, runtime: Context) -> Literal["mine", "board", "test"]:
    options = runtime.context.options
    if state.stop_reason or not options.boards:
        return "test"
    # Random boards need nothing found, and no verdict before the labels.
    return "board" if options.kind == "random" else "mine"


# ---------------------------------------------------------------- edges


def build_graph(checkpointer: Any = None) -> DefineGraph:
    """Build the define graph; the only place where its edges appear.

    Args:
        checkpointer: A LangGraph checkpointer; interrupts need one.
    """
    graph = StateGraph(DefineState, context_schema=DefineContext)
    for interrupting in (ask, label, reveal, offer, blind):
        graph.add_node(interrupting.__name__, interrupting)
    for plain in (set_aside, question, answered, labelled, revealed, decided, test, tested, finish):
        graph.add_node(plain.__name__, plain)
    for asking in (draft, revise, mine, judge, board, verdicts, refine, weigh, triage):
        graph.add_node(asking.__name__, within_limits(asking))

    graph.add_edge(START, "set_aside")
    after_start = ["draft", "revise", "verdicts", "mine", "board", "test"]
    graph.add_conditional_edges("set_aside", route_set_aside, after_start)
    graph.add_conditional_edges("draft", route_draft, ["question", "mine", "board", "test"])
    graph.add_edge("question", "ask")
    graph.add_edge("ask", "answered")
    onward = ["question", "mine", "board", "test"]
    graph.add_conditional_edges("answered", route_answered, ["triage", "revise", *onward])
    graph.add_conditional_edges("revise", route_draft, onward)
    graph.add_conditional_edges("mine", or_test("judge"), ["judge", "test"])
    graph.add_conditional_edges("judge", or_test("board"), ["board", "test"])
    graph.add_conditional_edges("board", route_board, ["label", "test"])
    graph.add_edge("label", "labelled")
    graph.add_conditional_edges("labelled", route_labelled, ["label", "triage", "verdicts"])
    graph.add_conditional_edges("verdicts", or_test("reveal"), ["reveal", "test"])
    graph.add_edge("reveal", "revealed")
    graph.add_conditional_edges("revealed", route_revealed, ["refine", "triage"])
    graph.add_conditional_edges("refine", or_test("weigh"), ["weigh", "test"])
    graph.add_conditional_edges("weigh", route_weigh, ["offer", "triage", "test"])
    graph.add_edge("offer", "decided")
    graph.add_edge("decided", "weigh")
    graph.add_conditional_edges("triage", route_triage, ["mine", "board", "test"])
    graph.add_conditional_edges("test", route_test, ["blind", "finish"])
    graph.add_edge("blind", "tested")
    graph.add_conditional_edges("tested", route_tested, ["blind", "test"])
    graph.add_edge("finish", END)
    return graph.compile(checkpointer=checkpointer, name="define")
