"""The prompt search as a graph: gather, search templates, sample starts and groups, search, measure."""

from functools import partial
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from fieldmark.agents.optimize import reflect as reflecting
from fieldmark.agents.optimize import search
from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.encode_ahead import encoding_ahead
from fieldmark.agents.optimize.finish import Ended, measure_and_write
from fieldmark.agents.optimize.folds import found_in_folds, get_curves, put_curves, settled
from fieldmark.agents.optimize.folds import search_fold as search_without
from fieldmark.agents.optimize.gather import contrasts, descriptions, load_notebook
from fieldmark.agents.optimize.history import get_candidates, put_candidates, recorded, seen_keys
from fieldmark.agents.optimize.pool import build_pool
from fieldmark.agents.optimize.state import OptimizeState
from fieldmark.tools.books.templates import PLAIN
from fieldmark.tools.search.acceptance import improves
from fieldmark.tools.search.generation import evolve, search_seed

Context = Runtime[OptimizeContext]
Update = dict[str, Any]
OptimizeGraph = CompiledStateGraph[OptimizeState, OptimizeContext, OptimizeState, OptimizeState]


# ---------------------------------------------------------------- nodes


async def describe(state: OptimizeState, runtime: Context) -> Update:
    """Ask for the descriptors of each class, several times, for its other names, and for domain words.

    What will be encoded whatever is answered is encoded meanwhile.
    """
    context = runtime.context
    if context.llm is None or not context.options.template_generations:
        return {"notebook": await descriptions(context)}
    ahead = partial(search.encode_ahead, context)
    return {"notebook": await encoding_ahead(descriptions(context), ahead, context.clock)}


async def contrast(state: OptimizeState, runtime: Context) -> Update:
    """Ask about groups of look-alikes, as the start book sees them."""
    return {"notebook": await contrasts(state.notebook, runtime.context)}


async def score_templates(state: OptimizeState, runtime: Context) -> Update:
    """Encode the template library, score each template alone, and choose the first parents."""
    context = runtime.context
    if not context.options.template_generations:
        return {"templates": (PLAIN,)}
    templates = search.opened_templates(state, context)
    parents, scored = search.first_templates(templates, context)
    return {
        "survivors": put_candidates(context, parents),
        **recorded(state, scored, context, stage="templates", best=parents[0]),
    }


async def evolve_templates(state: OptimizeState, runtime: Context) -> Update:
    """One generation of the template search; the last one settles the templates."""
    context = runtime.context
    templates = search.opened_templates(state, context)
    seen = seen_keys(context, state.history_size)
    number = state.template_generation + 1
    made = evolve(
        templates.arena,
        templates.menu,
        get_candidates(context, state.survivors),
        seen=seen,
        rng=search_seed(context.options.seed, "templates", number),
        fitness=search.fitness_of(context),
        operators=search.operators_of(context),
        acceptance=search.acceptance_of(context),
    )
    update: Update = {
        "survivors": put_candidates(context, made.survivors),
        "template_generation": number,
        **recorded(state, made.scored, context, stage="templates", best=made.survivors[0], seen=seen),
    }
    if number >= context.options.template_generations:
        update["templates"] = tuple(templates.texts[part] for part in made.survivors[0].parts)
    return update


async def write_pool(state: OptimizeState, runtime: Context) -> Update:
    """Write the pool out and encode its texts."""
    context = runtime.context
    context.memo.pop("templates", None)
    pool = build_pool(
        context.classes,
        notebook=load_notebook(state.notebook, context),
        templates=state.templates,
        noun=context.options.noun,
        book=context.book,
        given=context.given,
        synonyms=context.options.synonyms,
        described_synonyms=context.options.described_synonyms,
    )
    name = context.arrays.put_json(pool.model_dump(mode="json"), later=context.later)
    context.memo["pool"] = (name, pool, search.unit_vectors(pool.units, context))
    return {"pool": name}


async def search_fold(state: OptimizeState, runtime: Context) -> Update:
    """Search without one fold of the training images, and score on it what was found."""
    context = runtime.context
    pool, vectors = search.opened_pool(state.pool, context)
    done = get_curves(state.folds, context)
    more = await search_without(state.fold, pool, vectors, generation=state.generations, context=context)
    return {"fold": state.fold + 1, "folds": put_curves((*done, *more), context)}


async def sample_books(state: OptimizeState, runtime: Context) -> Update:
    """Choose the book to start the class search from."""
    context = settled(state.folds, runtime.context)
    pool, vectors = search.opened_pool(state.pool, context)
    start, best, scored = search.first_books(pool, vectors, context)
    folds = found_in_folds(state.folds, context)
    stay = folds is not None and folds.chosen.stage == "start"
    book = best if improves(best, start) and not stay else start
    return {
        "start": put_candidates(context, [start]),
        "book": put_candidates(context, [book]),
        **recorded(state, scored, context, stage="sampling", best=book),
    }


async def sample_groups(state: OptimizeState, runtime: Context) -> Update:
    """Cut the classes into groups by how the book of this moment confuses them."""
    context = runtime.context
    pool, vectors = search.opened_pool(state.pool, context)
    book = get_candidates(context, state.book)[0]
    groups = search.next_groups(book, pool, vectors, state.passes, context)
    return {
        "groups": context.arrays.put_json([list(group) for group in groups]),
        "group": 0,
        "groups_left": len(groups),
        "generation": 0,
        "survivors": "",
        "passes": state.passes + 1,
    }


async def reflect(state: OptimizeState, runtime: Context) -> Update:
    """Ask about the classes that the book of this moment confuses, and add the answers to the pool."""
    context = runtime.context
    pool, vectors = search.opened_pool(state.pool, context)
    pool, vectors, reflections = await reflecting.reflect_on(
        get_candidates(context, state.book)[0],
        pool,
        vectors,
        templates=state.templates,
        earlier=reflecting.load_reflections(state.reflections, context),
        context=context,
    )
    name = context.arrays.put_json(pool.model_dump(mode="json"))
    context.memo["pool"] = (name, pool, vectors)
    return {
        "pool": name,
        "reflections": reflecting.store_reflections(reflections, context),
        "reflected": state.reflected + 1,
    }


async def evolve_classes(state: OptimizeState, runtime: Context) -> Update:
    """One generation over a group's units; after its last one the fittest book goes on to the next group."""
    context = settled(state.folds, runtime.context)
    pool, vectors = search.opened_pool(state.pool, context)
    book = get_candidates(context, state.book)[0]
    classes: list[list[int]] = context.arrays.get_json(state.groups)  # pyright: ignore
    group = search.opened_group(state, classes[state.group], book, pool, vectors, context)
    parents = (
        get_candidates(context, state.survivors)
        if state.survivors
        else (search.inner_candidate(group, book),)
    )
    seen = seen_keys(context, state.history_size)
    number = state.generations + 1
    reflections = reflecting.load_reflections(state.reflections, context)
    made = search.class_generation(
        group,
        parents,
        seen=seen,
        number=number,
        context=context,
        more=reflecting.reflect_operator(group, reflections.suggestions),
    )
    best = search.whole_candidate(group, made.survivors[0])
    update = recorded(
        state,
        made.scored,
        context,
        stage="classes",
        best=best,
        before=search.whole_candidate(group, parents[0]),
        seen=seen,
        names=group.names,
        around=group.around,
    )
    if reflections.suggestions:
        reflections = reflecting.with_outcome(
            reflections, made.scored, made.survivors, group=group, generation=number
        )
        update["reflections"] = reflecting.store_reflections(reflections, context)
    done = state.generation + 1 >= context.options.generations
    return update | {
        "generation": 0 if done else state.generation + 1,
        "group": state.group + done,
        "groups_left": state.groups_left - done,
        "survivors": "" if done else put_candidates(context, made.survivors),
        "book": put_candidates(context, [best]) if done and improves(best, book) else state.book,
    }


async def measure(state: OptimizeState, runtime: Context) -> Update:
    """Look at the test images, once, and write what the run found."""
    context = runtime.context
    pool, vectors = search.opened_pool(state.pool, context)
    await context.later.settled()
    ended = Ended(
        start=get_candidates(context, state.start)[0],
        best=get_candidates(context, state.book)[0],
        pool=pool,
        vectors=vectors,
        generations=state.generations,
        candidates=state.candidates,
        templates=state.templates,
        curve_size=state.curve_size,
        folds=found_in_folds(state.folds, context),
        reflections=(state.reflected, reflecting.load_reflections(state.reflections, context))
        if reflecting.reflects(context)
        else None,
    )
    measure_and_write(ended, context)
    return {"stop_reason": "searched"}


# ---------------------------------------------------------------- routers


def route_templates(state: OptimizeState) -> Literal["evolve_templates", "write_pool"]:
    """Go on with the templates until they are settled."""
    return "write_pool" if state.templates else "evolve_templates"


def route_folds(state: OptimizeState, runtime: Context) -> Literal["search_fold", "sample_books"]:
    """Go on until every fold was held out once; the search with all images comes after them."""
    return "search_fold" if state.fold < runtime.context.options.folds else "sample_books"


def route_books(state: OptimizeState, runtime: Context) -> Literal["sample_groups", "measure"]:
    """Search class by class, unless the options leave that out."""
    options = settled(state.folds, runtime.context).options
    return "sample_groups" if options.passes and options.generations else "measure"


def route_classes(
    state: OptimizeState, runtime: Context
) -> Literal["evolve_classes", "reflect", "sample_groups", "measure"]:
    """Go on with the group, then with the next one, then with the next pass, reflecting first if asked to."""
    if state.groups_left:
        return "evolve_classes"
    if state.passes >= settled(state.folds, runtime.context).options.passes:
        return "measure"
    return "reflect" if reflecting.reflects(runtime.context) else "sample_groups"


# ---------------------------------------------------------------- edges


def build_graph(checkpointer: Any = None) -> OptimizeGraph:
    """Build the graph of the prompt search; the only place where its edges appear.

    Args:
        checkpointer: A LangGraph checkpointer, or None to keep nothing.
    """
    graph = StateGraph(OptimizeState, context_schema=OptimizeContext)
    graph.add_node("describe", describe)
    graph.add_node("contrast", contrast)
    graph.add_node("score_templates", score_templates)
    graph.add_node("evolve_templates", evolve_templates)
    graph.add_node("write_pool", write_pool)
    graph.add_node("search_fold", search_fold)
    graph.add_node("sample_books", sample_books)
    graph.add_node("sample_groups", sample_groups)
    graph.add_node("evolve_classes", evolve_classes)
    graph.add_node("reflect", reflect)
    graph.add_node("measure", measure)

    graph.add_edge(START, "describe")
    graph.add_edge("describe", "contrast")
    graph.add_edge("contrast", "score_templates")
    graph.add_conditional_edges("score_templates", route_templates, ["evolve_templates", "write_pool"])
    graph.add_conditional_edges("evolve_templates", route_templates, ["evolve_templates", "write_pool"])
    graph.add_conditional_edges("write_pool", route_folds, ["search_fold", "sample_books"])
    graph.add_conditional_edges("search_fold", route_folds, ["search_fold", "sample_books"])
    graph.add_conditional_edges("sample_books", route_books, ["sample_groups", "measure"])
    graph.add_edge("sample_groups", "evolve_classes")
    graph.add_conditional_edges(
        "evolve_classes", route_classes, ["evolve_classes", "reflect", "sample_groups", "measure"]
    )
    graph.add_edge("reflect", "sample_groups")
    graph.add_edge("measure", END)
    return graph.compile(checkpointer=checkpointer, name="optimize")
