"""Runs a build with its checkpoint in the concept's folder, from the start or from where it stopped."""

from pathlib import Path
from typing import Any

from fieldmark.agents.build.context import BuildContext
from fieldmark.agents.build.graph import build_graph
from fieldmark.agents.build.state import BuildState
from fieldmark.agents.build.write import built_of, write_card
from fieldmark.agents.shared.checkpoints import earlier_state, open_checkpoint, state_of
from fieldmark.errors import InputError, RunError
from fieldmark.records.building import BuildResult
from fieldmark.tools.concepts.built import MEASUREMENT, read_built, read_measurement
from fieldmark.tools.concepts.heads.config import verify_export

CHECKPOINT = "build.sqlite"
FREE_STEPS = 20


async def run_build(context: BuildContext) -> BuildResult:
    """Build a classifier, or go on with a build that was stopped.

    A build is known by the version, the owner's labels, the options, the annotator and the encoder: where
    none of them changed, a finished one is returned as it is and a stopped one goes on; one whose files were
    damaged or replaced since is made anew. The verdicts of any build are kept, so that one begun anew asks
    about new images alone.

    Raises:
        RunError: There is no such version, or it was measured on the blind test and something changed since:
            a classifier must not be built again to do better on it.
        InputError: There is too little to learn from.
        EndpointError: The annotator cannot be asked; what it said is kept.
        LimitReached: A limit was reached; go on with a higher one.
    """
    concept = context.concept
    if not 1 <= context.version <= len(concept.versions):
        raise RunError(
            f"Concept {concept.name!r} has no version {context.version}.",
            hint="Talk about it first: `ConceptConversation.chat`, or `fieldmark concept chat`.",
        )
    name = context.identity
    path = context.folder.path / CHECKPOINT
    async with open_checkpoint(path, holds=(BuildState,), server=context.checkpoints) as kept:
        graph = build_graph(kept.saver)
        config = kept.config(name, recursion_limit=FREE_STEPS + 2 * context.options.rounds)
        earlier = await earlier_state(graph, config, path)
        done = bool(earlier.values) and state_of(earlier.values, BuildState, path).done
        result = whole_build(context.out, name) if done else None
        if result is not None:
            return result
        measured = context.version in concept.blind_looks or (context.out / MEASUREMENT).exists()
        # Whose files alone are damaged is made again as it was: nothing of it was chosen by the test.
        if measured and not built_of(context.out, name):
            raise RunError(
                f"Version {context.version} of {concept.name!r} was measured on the blind test.",
                hint="Build the next version: an edit that you accept makes one.",
            )
        if done:
            await kept.forget(name)
        start: Any = None if earlier.values and not done else BuildState()
        await graph.ainvoke(start, config, context=context, durability="sync")
    result = whole_build(context.out, name)
    if result is not None and (known := read_measurement(context.out)) is not None:
        write_card(context, result, known)
    if result is None:
        raise RunError(
            f"The classifier in {context.out} is not what was just built.",
            hint="Look whether something else writes there, and run the same command again.",
        )
    return result


def whole_build(out: Path, identity: str) -> BuildResult | None:
    """What a build made, where it is that build and its files are what they were; else None."""
    try:
        verify_export(out)
        built = read_built(out)
    except (InputError, RunError):
        return None
    return built if built is not None and built.identity == identity else None
