"""The build as a graph: mine, annotate, look where the classifier is unsure, debate, fit, write."""

from collections.abc import Sequence
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from torch import Tensor

from fieldmark.agents.build.context import BuildContext
from fieldmark.agents.build.sample import DebatedCall, Sample, examples_of, first_sample, next_sample
from fieldmark.agents.build.state import BuildState
from fieldmark.agents.build.write import write_classifier
from fieldmark.records import Verdict
from fieldmark.tools.annotate.clause_prompts import captions_of
from fieldmark.tools.concepts.heads.choose import RECIPES, Fitted, choose_head
from fieldmark.tools.concepts.heads.train import Examples, HeadRecipe
from fieldmark.tools.runs.concept_events import (
    ClassifierWriting,
    DebatesStarted,
    FittingPurpose,
    HeadsFitted,
    ImagesDebated,
    SampleGrown,
)
from fieldmark.tools.statistics.one_standard_error import choose_simplest

DISAGREES = 0.5
"""How far classifier and annotator must be apart, in probability of "in", before an image is debated."""

Context = Runtime[BuildContext]
Update = dict[str, Any]
BuildGraph = CompiledStateGraph[BuildState, BuildContext, BuildState, BuildState]

# ---------------------------------------------------------------- nodes


async def mine(state: BuildState, runtime: Context) -> Update:
    """Choose the first images: some at random, some by queries."""
    sample = await first_sample(runtime.context)
    return {"sample": runtime.context.arrays.put_json(sample.model_dump(mode="json"))}


async def annotate(state: BuildState, runtime: Context) -> Update:
    """Have every image that was chosen or labelled judged; each verdict is stored as it comes."""
    context = runtime.context
    known = read_verdicts(state, context)
    labelled = [label.image for label in context.concept.labels if label.split == "dev"]
    wanted = dict.fromkeys((*read_sample(state, context).images, *labelled))
    judged = {verdict.image for verdict in known}
    fresh = await context.judge([image for image in wanted if image not in judged])
    return {"verdicts": context.arrays.put_json([v.model_dump(mode="json") for v in (*known, *fresh)])}


async def look_where_unsure(state: BuildState, runtime: Context) -> Update:
    """Fit the simplest head and add images that it is unsure about."""
    context = runtime.context
    sample = read_sample(state, context)
    fitted = fitted_head(state, context, purpose="unsure", recipes=RECIPES[:1])
    share = context.options.active / max(1, context.options.rounds)
    count = round(share * min(context.options.annotate, len(context.pool)))
    more = next_sample(sample, fitted.head, count, context)
    context.progress(SampleGrown(round=state.round + 1, images=len(more.active) - len(sample.active)))
    return {"sample": context.arrays.put_json(more.model_dump(mode="json")), "round": state.round + 1}


async def debate(state: BuildState, runtime: Context) -> Update:
    """Argue about the images on which annotator and classifier disagree most."""
    context = runtime.context
    if context.debater is None or not context.options.debates:
        return {"settled": context.arrays.put_json({})}
    disputed = disagreements(
        fitted_head(state, context, purpose="disputed"), read_verdicts(state, context), context
    )
    context.progress(DebatesStarted(images=len(disputed)))
    concept = context.concept

    def tell(done: int, of: int) -> None:
        context.progress(ImagesDebated(done=done, of=of))

    debates = await context.debater.debate(
        context.files(disputed),
        context.definition,
        concept=concept.name,
        purpose=concept.purpose,
        progress=tell,
    )
    settled: dict[str, Any] = {
        debate.image: {"call": debate.call, "p": debate.p} for debate in debates if debate.p is not None
    }
    return {"settled": context.arrays.put_json(settled), "debated": len(disputed)}


async def fit(state: BuildState, runtime: Context) -> Update:
    """Choose among heads, calibrate, and write the classifier."""
    context = runtime.context
    fitted, verdicts = fitted_head(state, context, purpose="final"), read_verdicts(state, context)
    by_hash = {verdict.image: verdict for verdict in verdicts}
    overturned = sum(
        by_hash[image].call != decided.call
        for image, decided in read_settled(state, context).items()
        if image in by_hash
    )
    context.progress(ClassifierWriting())
    write_classifier(
        fitted,
        sample=read_sample(state, context),
        verdicts=verdicts,
        debated=state.debated,
        overturned=overturned,
        context=context,
    )
    return {"done": True}


# ---------------------------------------------------------------- what nodes share


def read_sample(state: BuildState, context: BuildContext) -> Sample:
    """The images chosen so far."""
    return Sample.model_validate(context.arrays.get_json(state.sample))


def read_verdicts(state: BuildState, context: BuildContext) -> tuple[Verdict, ...]:
    """The verdicts of this build so far."""
    rows: list[Any] = context.arrays.get_json(state.verdicts) if state.verdicts else []  # pyright: ignore
    return tuple(Verdict.model_validate(row) for row in rows)


def read_settled(state: BuildState, context: BuildContext) -> dict[str, DebatedCall]:
    """What debates decided, by content hash; nothing before there were any."""
    rows: dict[str, Any] = context.arrays.get_json(state.settled) if state.settled else {}  # pyright: ignore
    return {image: DebatedCall.model_validate(row) for image, row in rows.items()}


def fitted_head(
    state: BuildState,
    context: BuildContext,
    *,
    purpose: FittingPurpose,
    recipes: Sequence[HeadRecipe] = RECIPES,
) -> Fitted:
    """A head fitted to all that is known now: the same whenever and by whichever process it is asked for."""
    concept = context.concept
    settled = read_settled(state, context)
    sample, verdicts = read_sample(state, context), read_verdicts(state, context)
    texts = context.encoder.encode_texts(captions_of(concept.name, context.definition))
    costs = concept.costs

    def tell(done: int, of: int) -> None:
        context.progress(HeadsFitted(done=done, of=of, purpose=purpose))

    def fitted(weight: float, among: Sequence[HeadRecipe]) -> tuple[Fitted, Examples, Tensor]:
        examples, labelled = examples_of(sample, verdicts, settled, context, owner_weight=weight)
        found = choose_head(
            examples,
            context.definition,
            texts=texts,
            # Equal costs are what a concept has before its owner said anything: then F1 sets the threshold.
            costs=None if costs.false_positive == costs.false_negative else costs,
            recipes=among,
            seed=context.options.seed,
            progress=tell,
        )
        return found, examples, labelled

    weights = sorted(context.options.owner_weights)
    if len(weights) > 1:
        tried = [agreement_with_owner(*fitted(weight, RECIPES[:1])) for weight in weights]
        weights = [weights[choose_simplest(tried).chosen]]
    return fitted(weights[0], recipes)[0]


def agreement_with_owner(fitted: Fitted, examples: Examples, labelled: Tensor) -> list[float]:
    """How right a head is of each image that the owner labelled, by networks that had not seen it `[L]`.

    One minus the distance between probability and label: 1 is sure and right.
    """
    gap = (fitted.out_of_fold - examples.target).abs()[labelled]
    return (1 - gap).tolist() or [0.0]


def disagreements(fitted: Fitted, verdicts: tuple[Verdict, ...], context: BuildContext) -> list[str]:
    """Images whose verdict and classifier are furthest apart, the furthest first; none the owner labelled."""
    labelled = {label.image for label in context.concept.labels}
    known = [v for v in verdicts if v.p is not None and v.call in ("in", "out") and v.image not in labelled]
    known = [v for v in known if v.image in context.pool.row_of]
    if not known:
        return []
    p, _ = fitted.head.probabilities(context.pool.vectors[context.pool.rows([v.image for v in known])])
    gaps = {v.image: abs(float(own) - float(v.p or 0.0)) for v, own in zip(known, p, strict=True)}
    ranked = sorted(gaps, key=lambda image: (-gaps[image], image))
    return [image for image in ranked if gaps[image] >= DISAGREES][: context.options.debates]


# ---------------------------------------------------------------- routers


def route_annotated(state: BuildState, runtime: Context) -> Literal["look_where_unsure", "debate"]:
    """Look where the classifier is unsure, as often as the options say."""
    options = runtime.context.options
    return "look_where_unsure" if options.active and state.round < options.rounds else "debate"


# ---------------------------------------------------------------- edges


def build_graph(checkpointer: Any = None) -> BuildGraph:
    """Build the graph of the build; the only place where its edges appear.

    Args:
        checkpointer: A LangGraph checkpointer, or None to keep nothing.
    """
    graph = StateGraph(BuildState, context_schema=BuildContext)
    graph.add_node("mine", mine)
    graph.add_node("annotate", annotate)
    graph.add_node("look_where_unsure", look_where_unsure)
    graph.add_node("debate", debate)
    graph.add_node("fit", fit)

    graph.add_edge(START, "mine")
    graph.add_edge("mine", "annotate")
    graph.add_conditional_edges("annotate", route_annotated, ["look_where_unsure", "debate"])
    graph.add_edge("look_where_unsure", "annotate")
    graph.add_edge("debate", "fit")
    graph.add_edge("fit", END)
    return graph.compile(checkpointer=checkpointer, name="build")
