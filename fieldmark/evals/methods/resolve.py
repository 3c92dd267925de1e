"""Fieldmark's own: the resolve loop, and the control that lists everything that was asked."""

import torch

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.estimate import longest_follow_ups, most_follow_ups
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.resolve.run import run_resolve
from fieldmark.errors import EndpointBusy, EndpointError, LimitReached
from fieldmark.evals.demo.ladder import World, everything
from fieldmark.evals.methods.clip import by_texts
from fieldmark.evals.methods.fudd import PAIRS, k_best, pairs_of_ten
from fieldmark.evals.methods.shared.questions import pair_notes, pairs_within
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, FollowUps, MethodScores, Run
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.records import ClassProbabilities
from fieldmark.tools.runs.probabilities import all_probabilities

_SOURCE = "Fieldmark"


async def by_resolving(bench: EvalBench) -> MethodScores:
    """Ask until every image is resolved, or nothing is left that would help.

    Raises:
        LimitReached: A limit stopped the loop.
        EndpointError: The endpoint could not be asked any more.
    """
    context = ResolveContext(
        classes=bench.classes,
        images=bench.images,
        encoder=bench.encoder,
        llm=bench.llm,
        arrays=bench.arrays,
        run=bench.run,
        options=ResolveOptions(noun=bench.noun),
        progress=bench.progress,
    )
    state = await run_resolve(context)
    if state.stop_reason == "budget":
        raise LimitReached("A limit stopped the resolve loop.", hint="Resume the run with a higher limit.")
    if state.stop_reason == "endpoint" and context.endpoint_busy:
        raise EndpointBusy(context.endpoint_busy, hint="Resume the run after that.")
    if state.stop_reason == "endpoint":
        raise EndpointError(context.endpoint_down or "The endpoint stopped answering the resolve loop.")
    kept = bench.run.read(ClassProbabilities.FILE, ClassProbabilities)
    probabilities = torch.from_numpy(all_probabilities(kept, context.arrays))
    candidates = torch.from_numpy(context.arrays.get(state.candidates))
    if kept.listed:
        listed = torch.from_numpy(context.arrays.get(kept.listed)).to(torch.int64)
        candidates = torch.zeros(probabilities.shape, dtype=torch.bool).scatter_(1, listed, candidates)
    sizes = candidates.sum(1)
    return MethodScores(
        scores=candidates_first(probabilities.log(), candidates),
        probabilities=probabilities,
        candidates=candidates,
        diagnostics={
            "resolved": float((sizes == 1).float().mean()),
            "rounds": float(state.round),
        },
    )


def rounds(test: TestSet) -> tuple[FollowUps, ...]:
    """As many as the planner can ask in all rounds."""
    options = ResolveOptions(noun=test.noun)
    most = most_follow_ups(len(test.classes), options, images=len(test.images))
    longest = longest_follow_ups(test.classes, options, noun=test.noun)
    return (FollowUps(name="rounds", most=most, longest=tuple(longest)),)


def candidates_first(scores: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """Move the classes that were ruled out behind those that are left, each side in its order.

    The loop's answer is the best of the classes left, whatever the last scores say of the others.

    Args:
        scores: `[N, C]` float32, -inf where a class was not scored.
        candidates: `[N, C]` bool; a row with none keeps its order.
    """
    finite = scores.masked_fill(scores.isinf(), 0.0)
    span = finite.max(dim=1, keepdim=True).values - finite.min(dim=1, keepdim=True).values
    ruled_out = candidates.any(dim=1, keepdim=True) & ~candidates
    return scores - (span + 1.0) * ruled_out


def by_everything(*, named: bool) -> Run:
    """What FuDD's answers say, listed for all classes at once, under the generic noun or each class's name.

    A rule that asks the same questions has to beat this to be worth its name.
    """

    async def run(bench: EvalBench) -> MethodScores:
        notes = await pair_notes(pairs_within(k_best(bench)), bench)
        votes = [vote for note in notes for vote in note.votes]
        world = World(classes=bench.classes, noun=bench.noun, images=bench.images)
        return by_texts(bench, everything(votes, world, named=named))

    return run


_NEEDS = frozenset({MethodNeed.NAMES, MethodNeed.LLM})

METHODS = (
    EvalMethod(
        key="everything",
        title="All answers of FuDD, under the noun",
        source=_SOURCE,
        needs=_NEEDS,
        run=by_everything(named=False),
        scale=PAIRS,
        follows=pairs_of_ten,
    ),
    EvalMethod(
        key="everything-named",
        title="All answers of FuDD, under the names",
        source=_SOURCE,
        needs=_NEEDS,
        run=by_everything(named=True),
        scale=PAIRS,
        follows=pairs_of_ten,
    ),
    EvalMethod(
        key="resolve",
        title="Fieldmark, resolve loop",
        source=_SOURCE,
        needs=_NEEDS,
        run=by_resolving,
        transductive=True,
        follows=rounds,
        scale="tables of images x classes x attributes, below 60 million cells; beyond, 64 classes an image",
        version="2",
    ),
)
