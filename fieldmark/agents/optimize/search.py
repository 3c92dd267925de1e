"""The steps of a prompt search on one run's data: templates, starting points, groups, generations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.gather import domain_words, load_notebook
from fieldmark.agents.optimize.pool import PromptPool, Unit
from fieldmark.agents.optimize.state import OptimizeState
from fieldmark.tools.books.templates import IMAGENET_7, PLAIN, fill_phrase, library
from fieldmark.tools.clip.encoder import Progress
from fieldmark.tools.search.acceptance import Acceptance, Fittest
from fieldmark.tools.search.algebra import Arena, Parts, read_outcomes
from fieldmark.tools.search.candidates import PromptCandidate, PromptEdit, PromptMenu, part_key
from fieldmark.tools.search.fitness import Fitness, fitness_named, top
from fieldmark.tools.search.generation import Generation, ScoredCandidate, evolve, score_edits, search_seed
from fieldmark.tools.search.operators import Mutate, Operator
from fieldmark.tools.search.sampling import (
    confused_groups,
    group_size,
    promise_groups,
    random_subsets,
)

NOMINAL = 120
"""Candidates that ProAPO's operators propose in a generation: 4 parents × 24, 8 mutations, 16 crossovers."""
MOST_TEMPLATE_TEXTS = 40_000
"""The most texts that the template search encodes."""
FIRST = 1 + len(IMAGENET_7)
"""Templates that are in every library: the plain one and the chosen seven."""
MOST_WORDED = 30
"""Variants that the six domain words of an answer make, at most."""
MOST_TEMPLATE_DOTS = 1 << 25
"""The most dot products of template texts with images: 256 MB."""
RANDOM_BY = "random"
NOBODY = PromptCandidate((), 0)
"""The candidate without parts, of which starting points are reported as edits."""


@dataclass(frozen=True)
class Templates:
    """The template library, ready to be searched."""

    texts: tuple[str, ...]
    arena: Arena
    menu: PromptMenu


@dataclass(frozen=True)
class ClassGroup:
    """Some classes, ready to be searched while the others stand still.

    Attributes:
        names: The number, in the pool, of each part of the menu.
        around: Key of the units of the classes that stand still.
        still: Those units.
    """

    arena: Arena
    menu: PromptMenu
    names: tuple[int, ...]
    around: int
    still: tuple[int, ...]


def fitness_of(context: OptimizeContext) -> Fitness:
    """The fitness that the options name."""
    return fitness_named(context.options.fitness, penalty=context.options.penalty)


def acceptance_of(context: OptimizeContext) -> Acceptance:
    """Who survives a generation."""
    return Fittest(context.options.keep)


def operators_of(context: OptimizeContext) -> tuple[Operator, ...]:
    """What a generation tries: the operators, or as many random sets as a control."""
    return (Mutate(NOMINAL),) if context.options.strategy == RANDOM_BY else context.operators


# ---------------------------------------------------------------- templates


def template_library(context: OptimizeContext, domain_words: Sequence[str] = ()) -> tuple[str, ...]:
    """The templates to choose from, the plain one first."""
    texts = tuple(dict.fromkeys((PLAIN, *IMAGENET_7, *reversed(library(context.options.noun, domain_words)))))
    # Of many classes each template costs many texts: the variants and the chosen seven come first.
    return texts[: _most_templates(context)]


def _most_templates(context: OptimizeContext) -> int:
    return max(FIRST, MOST_TEMPLATE_TEXTS // len(context.classes))


def template_texts(templates: Sequence[str], context: OptimizeContext) -> list[str]:
    """Every template with every class."""
    return [fill_phrase(t, name.replace("_", " ")) for t in templates for name in context.classes]


def encode_ahead(context: OptimizeContext, progress: Progress) -> None:
    """Encode what is needed whatever is answered: the training images, and templates without domain words."""
    context.encoder.encode_images(context.train, progress=progress)
    templates = template_library(context, context.options.domain_words or ())
    if context.options.domain_words is None and len(templates) + MOST_WORDED > _most_templates(context):
        templates = templates[:FIRST]  # variants with words yet to be named may take the places of the others
    context.encoder.encode_texts(template_texts(templates, context), progress=progress)


def open_templates(context: OptimizeContext, domain_words: Sequence[str] = ()) -> Templates:
    """Encode every template with every class, once, and make them ready."""
    texts = template_library(context, domain_words)
    classes = len(context.classes)
    written = template_texts(texts, context)
    vectors = context.encoder.encode_texts(written).to(torch.float64)
    parts = Parts(
        vectors.reshape(len(texts), classes, -1), torch.arange(classes).expand(len(texts), -1).contiguous()
    )
    # Templates are chosen for all classes alike, so that some of very many images tell as much.
    images = len(context.labels)
    shown = max(1, min(images, MOST_TEMPLATE_DOTS // len(written)))
    chosen = torch.arange(shown) * images // shown
    arena = Arena(
        context.vectors[chosen],
        context.labels[chosen],
        parts=parts,
        moving=range(classes),
        scale=context.encoder.logit_scale,
        classes=classes,
    )
    menu = PromptMenu(
        slots=(tuple(range(len(texts))),),
        keys=[part_key(text) for text in texts],
        least=min(2, context.options.most_templates),
        most=min(context.options.most_templates, len(texts)),
    )
    return Templates(texts, arena, menu)


def first_templates(
    templates: Templates, context: OptimizeContext
) -> tuple[tuple[PromptCandidate, ...], tuple[ScoredCandidate, ...]]:
    """Score every template alone and start from the fittest; the plain one is always scored.

    Those that lose three images more than the plain template at one shot (in proportion at more) are dropped.
    """
    singles = [PromptEdit(0, (number,), (), "single") for number in range(len(templates.texts))]
    scored = score_edits(templates.arena, templates.menu, (NOBODY,), singles, fitness_of(context))
    sizes = {"shown": templates.arena.images, "images": len(context.labels), "classes": len(context.classes)}
    ranked = [
        PromptCandidate((number,), row.key, row.fitness)
        for number, row in enumerate(scored)
        if number == 0 or not harmful(row.top1, scored[0].top1, **sizes)
    ]
    return acceptance_of(context)((), ranked), scored


def harmful(top1: float, plain: float, *, shown: int, images: int, classes: int) -> bool:
    """Whether a template loses three images more than the plain one at one shot, in proportion at more.

    Images are counted: as shares, three errors more of 47 would pass or not by how a difference is rounded.

    Args:
        top1: Share of the shown images that the template gets right.
        plain: The plain template's share.
        shown: Images that templates are scored on.
        images: Training images.
        classes: Number of classes.
    """
    more = round(plain * shown) - round(top1 * shown)
    return more * images >= 3 * max(1, images // max(1, classes)) * shown


# ---------------------------------------------------------------- classes


def unit_vectors(units: Sequence[Unit], context: OptimizeContext) -> Tensor:
    """One vector per unit, the mean of its texts' `[U, D]` float64; every distinct text is encoded once."""
    texts = [text for unit in units for text in unit.texts]
    sizes = torch.tensor([len(unit.texts) for unit in units], dtype=torch.int64)
    vectors = context.encoder.encode_texts(texts).to(torch.float64)
    sums = torch.zeros(len(units), vectors.shape[1], dtype=torch.float64)
    sums.index_add_(0, torch.arange(len(units)).repeat_interleave(sizes), vectors)
    return sums / sizes[:, None]


def class_sums(parts: Sequence[int], pool: PromptPool, vectors: Tensor) -> Tensor:
    """Sum of the unit vectors of each class `[C, D]` float64, from nothing."""
    chosen = torch.tensor(list(parts), dtype=torch.int64)
    owner = torch.tensor([pool.owners[part] for part in parts], dtype=torch.int64)
    order = owner.argsort(stable=True)
    counts = torch.bincount(owner, minlength=len(pool.classes))
    starts = counts.cumsum(0) - counts
    return torch.nn.functional.embedding_bag(chosen[order], vectors, starts, mode="sum")


def class_matrix(parts: Sequence[int], pool: PromptPool, vectors: Tensor) -> Tensor:
    """The unit class vectors of a book `[C, D]` float64."""
    return torch.nn.functional.normalize(class_sums(parts, pool, vectors), dim=1)


def open_group(
    classes: Sequence[int], book: Sequence[int], pool: PromptPool, vectors: Tensor, context: OptimizeContext
) -> ClassGroup:
    """Make some classes ready to be searched around a book."""
    names = tuple(unit for c in classes for unit in pool.slots[c])
    inside = set(names)
    still = tuple(part for part in book if part not in inside)
    place = {c: number for number, c in enumerate(classes)}
    columns = torch.tensor([place[pool.units[unit].class_index] for unit in names], dtype=torch.int64)
    everything = len(classes) == len(pool.classes)
    scale = context.encoder.logit_scale
    arena = Arena(
        context.vectors,
        context.labels,
        parts=Parts(vectors[list(names)][:, None], columns[:, None]),
        moving=classes,
        scale=scale,
        classes=len(pool.classes),
        still=None if everything else scale * (context.vectors @ class_matrix(book, pool, vectors).T),
        standing=len(still),
    )
    numbers = {unit: number for number, unit in enumerate(names)}
    menu = PromptMenu(
        slots=tuple(tuple(numbers[unit] for unit in pool.slots[c]) for c in classes),
        keys=[pool.keys[unit] for unit in names],
        least=1,
        most=context.options.most_units,
    )
    around = sum(pool.keys[part] for part in still) & ((1 << 64) - 1)
    return ClassGroup(arena, menu, names, around, still)


def inner_candidate(group: ClassGroup, book: PromptCandidate) -> PromptCandidate:
    """The part of a book that moves in a group."""
    numbers = {unit: number for number, unit in enumerate(group.names)}
    parts = tuple(sorted(numbers[part] for part in book.parts if part in numbers))
    return PromptCandidate(parts, group.menu.key(parts), book.fitness)


def whole_candidate(group: ClassGroup, inner: PromptCandidate) -> PromptCandidate:
    """The whole book of a group's candidate."""
    parts = tuple(sorted((*group.still, *(group.names[part] for part in inner.parts))))
    return PromptCandidate(parts, (inner.key + group.around) & ((1 << 64) - 1), inner.fitness)


def first_books(
    pool: PromptPool, vectors: Tensor, context: OptimizeContext
) -> tuple[PromptCandidate, PromptCandidate, tuple[ScoredCandidate, ...]]:
    """Prompt sampling: the start, every natural choice of units, and random subsets of the best choice.

    Returns:
        The start, the fittest starting point (the start itself where nothing is fitter), and what was scored.
    """
    kinds = pool.kinds()
    named: dict[str, list[int]] = {"start": list(pool.start)}
    for name, slots in kinds.items():
        if all(slots):
            named[name] = [unit for slot in slots for unit in slot]
    books, scored = score_books(named, pool, vectors, context)
    best = max(range(len(books)), key=lambda at: (books[at].fitness, -at))
    chosen: list[list[int]] = [[] for _ in pool.classes]
    for unit in books[best].parts:
        chosen[pool.units[unit].class_index].append(unit)
    name = list(named)[best]
    rng = search_seed(context.options.seed, "sampling")
    subsets = {f"{name} {share}": units for share, units in random_subsets(chosen, rng).items()}
    more, more_scored = score_books(subsets, pool, vectors, context)
    fittest = max((*books, *more), key=lambda book: book.fitness)
    return books[0], fittest, (*scored, *more_scored)


def score_books(
    named: Mapping[str, Sequence[int]], pool: PromptPool, vectors: Tensor, context: OptimizeContext
) -> tuple[list[PromptCandidate], list[ScoredCandidate]]:
    """Score whole books one at a time: they are few, and each changes every class."""
    fitness, scale = fitness_of(context), context.encoder.logit_scale
    books: list[PromptCandidate] = []
    scored: list[ScoredCandidate] = []
    for name, units in named.items():
        parts = tuple(sorted(units))
        logits = scale * (context.vectors @ class_matrix(parts, pool, vectors).T)
        size = torch.tensor([float(len(parts))], dtype=torch.float64)
        outcome = read_outcomes(logits[None], context.labels, size)
        value = float(fitness(outcome)[0])
        key = sum(pool.keys[part] for part in parts) & ((1 << 64) - 1)
        books.append(PromptCandidate(parts, key, value))
        scored.append(
            ScoredCandidate(key, None, PromptEdit(0, parts, (), name), value, float(top(outcome, 1)[0]))
        )
    return books, scored


def next_groups(
    book: PromptCandidate, pool: PromptPool, vectors: Tensor, number: int, context: OptimizeContext
) -> tuple[tuple[int, ...], ...]:
    """Group sampling: in the first pass the classes that promise most, then all, cut by confusion."""
    classes = len(pool.classes)
    if context.options.strategy == RANDOM_BY:
        # As many generations as the search has, each of whole random books.
        count = -(-classes // group_size(classes)) + (number == 0)
        return tuple(tuple(range(classes)) for _ in range(count))
    matrix = class_matrix(book.parts, pool, vectors)
    logits = context.encoder.logit_scale * (context.vectors @ matrix.T)
    size = group_size(classes)
    groups = confused_groups(logits, context.labels, matrix, size=size)
    if number == 0:
        groups = promise_groups(promise(logits, pool, vectors, context), size) + groups
    return tuple(groups)


def promise(logits: Tensor, pool: PromptPool, vectors: Tensor, context: OptimizeContext) -> list[float]:
    """How much better each class's images do by the book than by its bare words, in nats per image."""
    bare = [unit for slot in pool.slots for unit in slot if pool.units[unit].kind == "bare"]
    plain = context.encoder.logit_scale * (context.vectors @ class_matrix(bare, pool, vectors).T)
    labels = context.labels
    gain = torch.nn.functional.cross_entropy(plain, labels, reduction="none")
    gain -= torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    sums = torch.zeros(len(pool.classes), dtype=torch.float64).index_add_(0, labels, gain)
    return (sums / torch.bincount(labels, minlength=len(pool.classes)).clamp_min(1)).tolist()


def class_generation(
    group: ClassGroup,
    parents: Sequence[PromptCandidate],
    *,
    seen: set[int],
    number: int,
    context: OptimizeContext,
    more: Sequence[Operator] = (),
) -> Generation:
    """One generation over the units of a group's classes, with `more` operators beside those of the run."""
    return evolve(
        group.arena,
        group.menu,
        parents,
        seen=seen,
        rng=search_seed(context.options.seed, "classes", number),
        fitness=fitness_of(context),
        operators=(*operators_of(context), *more),
        acceptance=acceptance_of(context),
        around=group.around,
    )


def opened_templates(state: OptimizeState, context: OptimizeContext) -> Templates:
    """The template library, memoised per process; a resuming process makes it again from stored vectors."""
    kept = context.memo.get("templates")
    if not isinstance(kept, Templates):
        words = domain_words(load_notebook(state.notebook, context), context)
        kept = open_templates(context, words)
        context.memo["templates"] = kept
    return kept


def opened_pool(name: str, context: OptimizeContext) -> tuple[PromptPool, Tensor]:
    """The pool with that hash and its unit vectors, memoised per process."""
    kept = context.memo.get("pool")
    if not isinstance(kept, tuple) or kept[0] != name:
        pool = PromptPool.model_validate(context.arrays.get_json(name))
        kept = (name, pool, unit_vectors(pool.units, context))
        context.memo["pool"] = kept
    return kept[1], kept[2]


def opened_group(
    state: OptimizeState,
    classes: list[int],
    book: PromptCandidate,
    pool: PromptPool,
    vectors: Tensor,
    context: OptimizeContext,
) -> ClassGroup:
    """The group's arena, memoised per process: the book around it stays the same until the group is done.

    Generations of one group all start from the book as it was when the group was opened, which the book's
    other classes still are: only the group's own units have changed since.
    """
    name = (state.passes, state.group)
    kept = context.memo.get("group")
    if not isinstance(kept, tuple) or kept[0] != name:
        kept = (name, open_group(classes, book.parts, pool, vectors, context))
        context.memo["group"] = kept
    return kept[1]
