"""Gathers what a prompt search is made of: answers about each class, then about groups of look-alikes.

Everything is asked before the search begins.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor

from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.options import OptimizeOptions
from fieldmark.agents.optimize.pool import start_book
from fieldmark.agents.shared.ask import ask_all
from fieldmark.agents.shared.notes import Note, Notebook
from fieldmark.errors import EndpointBusy, EndpointError, LimitReached
from fieldmark.records import QuestionSpec
from fieldmark.tools.books.descriptions import GivenTexts
from fieldmark.tools.scoring.prototype import class_prototypes
from fieldmark.tools.search.generation import search_seed

FROM_THE_NEAREST = 3
"""A group takes its members from so many times as many nearest classes, so that deals differ."""


async def descriptions(context: OptimizeContext) -> str:
    """Ask for descriptors of every class, as often as the options say, for other names and for domain words.

    Domain words are wanted only where templates are searched and none are given.

    Returns:
        Hash of the notebook.
    """
    specs: list[QuestionSpec] = []
    if context.llm is not None:
        specs = first_questions(context.classes, context.options, context.given)
    return store_notebook(Notebook(notes=await _answers(specs, context)), context)


def first_questions(
    classes: tuple[str, ...], options: OptimizeOptions, given: GivenTexts
) -> list[QuestionSpec]:
    """What is asked before anything is encoded."""
    specs: list[QuestionSpec] = []
    if options.domain_words is None and options.template_generations:
        specs.append(QuestionSpec(kind="domain_words", classes=classes))
    specs += [
        QuestionSpec(kind="describe", classes=(name,), sample=sample)
        for sample in range(options.descriptor_samples)
        for name in classes
    ]
    if options.synonyms:
        unnamed = [name for name in classes if not given.synonyms.get(name)]
        specs += [QuestionSpec(kind="synonyms", classes=(name,)) for name in unnamed]
    return specs


async def contrasts(notebook: str, context: OptimizeContext) -> str:
    """Ask what tells look-alikes apart, group by group; every class is in as many groups as the options say.

    Returns:
        Hash of the notebook with the new answers.
    """
    known = load_notebook(notebook, context)
    options = context.options
    if context.llm is None or not options.contrasts or len(context.classes) < 2:
        return notebook
    book = start_book(context.classes, known, context.book, options.noun)
    prototypes = class_prototypes(
        [book.texts(name) for name in context.classes], context.encoder.encode_texts
    )
    groups = [
        group
        for deal in range(options.contrasts)
        for group in look_alikes(
            prototypes,
            options.contrast_size,
            search_seed(options.seed, "look-alikes", deal),
            nearest=not deal,
        )
    ]
    specs = [
        QuestionSpec(kind="group", classes=tuple(context.classes[c] for c in group))
        for group in dict.fromkeys(groups)
    ]
    return store_notebook(known.with_notes(await _answers(specs, context)), context)


def look_alikes(prototypes: Tensor, size: int, rng: Random, *, nearest: bool) -> list[tuple[int, ...]]:
    """Deal all classes into groups of look-alikes.

    Args:
        prototypes: Unit class vectors `[C, D]`.
        size: Classes in a group.
        rng: Decides who leads a group, and who joins it where the nearest need not.
        nearest: Take the nearest classes; else some of the nearest `FROM_THE_NEAREST` times as many.
    """
    likeness = (prototypes @ prototypes.T).to(torch.float64)
    left = list(range(len(prototypes)))
    rng.shuffle(left)
    groups: list[tuple[int, ...]] = []
    while left:
        leader = left.pop(0)
        near = sorted(left, key=lambda c: (-float(likeness[leader, c]), c))
        near = near[: size - 1] if nearest else near[: FROM_THE_NEAREST * (size - 1)]
        joined = near if nearest else rng.sample(near, min(len(near), size - 1))
        left = [c for c in left if c not in joined]
        groups.append(tuple(sorted((leader, *joined))))
    # A class left over alone joins a group: it has nothing to be told apart from.
    if len(groups) > 1 and len(groups[-1]) == 1:
        alone = groups.pop()
        groups[-1] = tuple(sorted((*groups[-1], *alone)))
    return groups


def domain_words(notebook: Notebook, context: OptimizeContext) -> tuple[str, ...]:
    """The words that templates are varied with: those given, else those answered."""
    options = context.options
    if options.domain_words is not None:
        return options.domain_words
    answers = (note.words for note in notebook.notes if note.spec.kind == "domain_words")
    return tuple(dict.fromkeys(word.lower() for said in answers for word in said))


def unanswered(notebook: Notebook) -> tuple[int, tuple[str, ...]]:
    """How many questions brought no answer, and a note that says which kinds, if any."""
    kinds = Counter(note.spec.kind for note in notebook.notes if note.failure)
    if not kinds:
        return 0, ()
    said = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    asked = len(notebook.notes)
    return kinds.total(), (f"{kinds.total()} of {asked} question(s) brought no answer: {said}.",)


def load_notebook(name: str, context: OptimizeContext) -> Notebook:
    """The answers that the state names by their hash."""
    return Notebook.model_validate(context.arrays.get_json(name)) if name else Notebook()


def store_notebook(notebook: Notebook, context: OptimizeContext) -> str:
    """Store the answers; the state holds their hash."""
    return context.arrays.put_json(notebook.model_dump(mode="json"))


async def _answers(specs: Sequence[QuestionSpec], context: OptimizeContext) -> tuple[Note, ...]:
    """Ask all, in any order; notes come back in the order planned, and do not say where an answer lay.

    The question for domain words is never what stops a run: the search can do without.

    Raises:
        EndpointBusy: The endpoint asked for a long pause; the run can be resumed after it.
        LimitReached: A limit kept questions back; those answered are cached, and the run can be resumed.
        EndpointError: The endpoint cannot be asked, or answered none of several.
    """
    notes = await ask_all(specs, context)
    vital = [note for note in notes if note.spec.kind != "domain_words"]
    failures = [note.failure for note in vital]
    if "limit" in failures:
        raise LimitReached(
            f"A limit was reached: {failures.count('limit')} of {len(vital)} questions were not asked.",
            hint="What was answered is kept; resume the run with a higher limit.",
        )
    if "busy" in failures:
        raise EndpointBusy(
            next(note.reason for note in vital if note.failure == "busy"),
            hint="What was answered is kept; resume the run after that.",
        )
    if "endpoint" in failures or (len(vital) > 1 and set(failures) == {"unanswered"}):
        reason = next(note.reason for note in vital if note.failure)
        raise EndpointError(
            f"The language model could not be asked: {reason}",
            hint="What was answered is kept; resume the run when `fieldmark doctor` (`probe_endpoint` in "
            "Python) finds no fault.",
        )
    # A resumed run finds answers in the cache that it asked for itself: its book must be the same.
    return tuple(note.model_copy(update={"cached": False}) for note in notes)
