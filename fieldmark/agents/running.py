"""Runs the resolve graph with its checkpoint in the run folder, from the start or from where it stopped.

It knows nothing of settings, commands or what the run is for.
"""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from fieldmark.agents.context import ResolveContext
from fieldmark.agents.resolve import RECURSION_LIMIT, ResolveState, build_graph

CHECKPOINT = "checkpoint.sqlite"


async def run_resolve(context: ResolveContext, *, thread: str = "resolve") -> ResolveState:
    """Run the resolve graph, or take it up where an earlier process left it.

    A run that was killed goes on from its last checkpoint: at most the questions that were in flight
    are asked again, and answered ones come from the cache. A run that a limit or a dead endpoint
    stopped goes on with the questions that were kept back. A finished run is returned as it is.

    Args:
        context: Tools and data; the checkpoint lies in its run folder.
        thread: Name of the run inside the checkpoint, for run folders that hold several.

    Returns:
        The last state.
    """
    async with AsyncSqliteSaver.from_conn_string(str(context.run.path / CHECKPOINT)) as saver:
        graph = build_graph(saver)
        config: RunnableConfig = {"configurable": {"thread_id": thread}, "recursion_limit": RECURSION_LIMIT}
        earlier = await graph.aget_state(config)
        start: ResolveState | None = None
        if not earlier.values:
            start = ResolveState()
        elif not earlier.next:
            state = ResolveState.model_validate(earlier.values)
            if state.halted is None:
                return state
            if state.round == 0:
                # The first look was cut short: begin again. What was answered comes from the cache.
                await saver.adelete_thread(thread)
                start = ResolveState()
            else:
                await graph.aupdate_state(config, {"halted": None, "stop_reason": None}, as_node="triage")
        values: dict[str, Any] = await graph.ainvoke(start, config, context=context)  # pyright: ignore
        return ResolveState.model_validate(values)
