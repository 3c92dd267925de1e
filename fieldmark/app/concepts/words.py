"""Searches for the words by which a concept's annotator gives more of its owner's labels."""

from fieldmark.agents.build.estimate import AGAIN
from fieldmark.agents.build.looks import owner_labels
from fieldmark.agents.build.words import check_enough_labels, clause_words
from fieldmark.agents.shared.estimate import CallEstimate, FirstLook, times
from fieldmark.app.concepts.builder import ConceptBuilder
from fieldmark.app.concepts.setup import NO_VLM
from fieldmark.app.concepts.tools import open_tools
from fieldmark.app.event_loop import run_here
from fieldmark.errors import InputError
from fieldmark.prompts.judge import ask_judge
from fieldmark.records import Words
from fieldmark.tools.annotate.image_asker import PICTURE
from fieldmark.tools.llm.budget import room_of
from fieldmark.tools.search.pareto import check_calls


def search_clause_words(builder: ConceptBuilder, *, calls: int | None = None, seed: int = 0) -> Words:
    """See `asearch_clause_words`; not for a running event loop."""
    return run_here(asearch_clause_words(builder, calls=calls, seed=seed), "search_clause_words")


async def asearch_clause_words(builder: ConceptBuilder, *, calls: int | None = None, seed: int = 0) -> Words:
    """Search for an annotator's words, of its question and of clauses, by the owner's labels.

    The concept stays as it is: its clauses are its owner's. Build with what was found as `options.words`.

    Args:
        builder: The concept with its models, version and limits; it need not be built.
        calls: The most questions, those from the cache among them; None for twice what one rewording takes.
        seed: Decides every draw: the same search goes on from the cache where it was stopped.

    Raises:
        InputError: Too few labels or questions, or CLIP judges alone.
        RunError: Another process works on the concept.
        EndpointError: A model cannot be asked; what was answered is kept.
        LimitReached: A limit was reached; what was answered is kept.
    """
    concept = builder.concept
    definition = concept.versions[builder.version - 1].definition
    async with open_tools(
        builder.folder,
        builder.setup,
        models=builder.models,
        api_key=builder.api_key,
        limits=builder.limits,
        cache=builder.cache,
        home=builder.home,
        progress=builder.progress,
    ) as tools:
        llm = tools.llm or tools.judge
        if tools.vlm is None or llm is None:
            raise InputError(
                "CLIP judges by captions of the clauses: there are no words to search for.",
                hint="Have a vision-language model judge.",
                field="vlm",
            )
        found = await clause_words(
            tools.vlm, llm, concept, definition, tools.pool, calls=calls, seed=seed, progress=tools.progress
        )
        tools.conclude("reworded")
    return found


def estimate_clause_words(builder: ConceptBuilder, *, calls: int | None = None) -> CallEstimate:
    """What a search would ask at most; asks nothing and loads no model.

    Raises:
        InputError: Too few labels or questions.
    """
    labels = owner_labels(builder.concept, {image.content_hash for image in builder.folder.load_pool()})
    check_enough_labels(labels)
    setup = builder.setup.settled()
    least = 2 * len(labels) + 1
    most = calls or 2 * least
    check_calls(most, least)
    definition = builder.concept.versions[builder.version - 1].definition
    return CallEstimate(
        images=len(labels),
        classes=0,
        model=None if setup.vlm == NO_VLM else setup.vlm or setup.llm,
        noun=None,
        first_look=FirstLook(),
        follow_up_most=most,
        follow_up_tokens=times(room_of(ask_judge(PICTURE, definition.active)), most).total,
        notes=("Half of the labels is reflected on; the other half decides in the end.", AGAIN),
    )
