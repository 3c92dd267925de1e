"""Runs a build with its checkpoint in the concept's folder, from the start or from where it stopped.

It knows nothing of settings, commands or what the classifier is for.
"""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from fieldmark.agents.build import BuildState, build_graph
from fieldmark.agents.build_context import BuildContext
from fieldmark.agents.build_writing import BUILD
from fieldmark.cache.keys import content_key
from fieldmark.errors import RunError
from fieldmark.records.building import BuildResult
from fieldmark.tools.concept_changes import dev_labels

CHECKPOINT = "build.sqlite"
FREE_STEPS = 20


async def run_build(context: BuildContext) -> BuildResult:
    """Build a classifier, or go on with a build that was stopped.

    A build is known by the version, the owner's labels, the options, the annotator and the encoder: where
    none of them changed, a finished one is returned as it is and a stopped one goes on. The verdicts of any
    build are kept, so that one begun anew asks about new images alone.

    Raises:
        RunError: There is no such version, or it was measured on the blind test: a classifier must not be
            built again to do better on it.
        InputError: There is too little to learn from.
        EndpointError: The annotator cannot be asked; what it said is kept.
        LimitReached: A limit was reached; go on with a higher one.
    """
    concept = context.concept
    if not 1 <= context.version <= len(concept.versions):
        raise RunError(
            f"Concept {concept.name!r} has no version {context.version}.",
            hint="Talk about it first: `fieldmark concept chat`.",
        )
    name = thread_of(context)
    async with AsyncSqliteSaver.from_conn_string(str(context.folder.path / CHECKPOINT)) as saver:
        graph = build_graph(saver)
        config: RunnableConfig = {
            "configurable": {"thread_id": name},
            "recursion_limit": FREE_STEPS + 2 * context.options.rounds,
        }
        earlier = await graph.aget_state(config)
        done = bool(earlier.values) and BuildState.model_validate(earlier.values).done
        if done and not (context.out / BUILD).is_file():
            await saver.adelete_thread(name)
            earlier, done = await graph.aget_state(config), False
        if not done and context.version in concept.blind_looks:
            raise RunError(
                f"Version {context.version} of {concept.name!r} was measured on the blind test.",
                hint="Build the next version: a board or an edit makes one.",
            )
        if not done:
            start: Any = None if earlier.values else BuildState()
            await graph.ainvoke(start, config, context=context, durability="sync")
    return BuildResult.model_validate_json((context.out / BUILD).read_bytes())


def thread_of(context: BuildContext) -> str:
    """Names a build by all that decides what comes of it."""
    concept = context.concept
    return content_key(
        {
            "version": context.version,
            "definition": context.definition.model_dump(mode="json"),
            "labels": {image: label.value for image, label in sorted(dev_labels(concept).items())},
            "costs": concept.costs.model_dump(mode="json"),
            "options": context.options.model_dump(mode="json"),
            "annotator": context.annotator.identity,
            "encoder": context.encoder.identity,
            "pool": [image.content_hash for image in context.pool.images],
        }
    )
