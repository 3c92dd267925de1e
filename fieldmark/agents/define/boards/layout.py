"""Finds images worth a look, asks what the definition leaves unclear about them, and lays out a board."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from fieldmark.agents.define.boards.queries import searches_for
from fieldmark.agents.define.context import DefineContext, rng_for
from fieldmark.agents.define.record import revealed_images
from fieldmark.agents.define.scores import calls, clause_verdicts
from fieldmark.records import Board, Call, ClauseVerdict, Concept, Definition, Record, Verdict
from fieldmark.tools.concepts.changes import dev_labels
from fieldmark.tools.concepts.heads.network import Head
from fieldmark.tools.concepts.heads.train import Examples, HeadRecipe, fit
from fieldmark.tools.concepts.mining import distinct_rows, diverse_rows, groups_by_meaning, rows_apart
from fieldmark.tools.runs.concept_events import GapsFound, VerdictsDoubted

RANDOM_SHARE = 0.1
"""Share of the mined images drawn from the whole pool: what no query finds must be seen too."""
CONFIDENT_SHARE = 1 / 3
"""Share of the doubted images that were called confidently."""
CONFIDENT_WORTH = 0.25
"""What a confidently called image counts for in a cluster, against 1 for a wholly uncertain one."""
SPOKEN_OF = 0.5
"""What an ambiguity that a clause speaks of already counts for, against 1 for a new one."""
LEAST_TOGETHER = 2
"""Images that must share an ambiguity."""
LEAST_LABELS = 3
"""Labels of each kind that the quick classifier needs."""
QUICK = HeadRecipe(0, 1e-1)
"""How it is fitted: to few labels, so held back."""
LOOKED_AT = 30
"""Images that it takes for in most surely, and that the annotator is asked about."""


class Mined(Record):
    """Images found for one version of a definition."""

    images: tuple[str, ...] = ()
    near_miss: tuple[str, ...] = ()
    """Those of them that a near-miss query found."""


@dataclass(frozen=True)
class Doubt:
    """Something unclear about one image.

    Attributes:
        image: Content hash.
        gap: What is unclear, in words.
        weight: How much it counts.
    """

    image: str
    gap: str
    weight: float


async def mine(
    concept: Concept, context: DefineContext, *, before: Definition | None = None
) -> tuple[Mined, bool]:
    """Search the pool with queries for the definition; the blind test and whatever looks like it stay out.

    Args:
        concept: The concept.
        context: The conversation's tools.
        before: The definition before edits that are to be put to the test; what they are about is searched.

    Returns:
        What was found, and whether the language model gave the queries (the clauses do where it did not).
    """
    searches = await searches_for(concept, concept.definition, context.llm, context.progress)
    pool, count = context.pool, context.options.mined
    rows = rows_apart(pool.vectors, context.free_rows(concept), pool.rows(list(concept.blind)))
    if not rows:
        return Mined(), searches.written
    free = set(rows)
    without = [row for row in range(len(pool)) if row not in free]
    positive = [*changed_texts(before, concept.definition), *searches.positive]
    vectors = context.encoder.encode_texts([*positive, *searches.near_miss])
    each = max(4, -(-3 * count // len(vectors)))
    hits = pool.search(vectors, each, without=without).rows.tolist()
    # Rank by rank, so that every query has its say.
    ranked = list(dict.fromkeys(row for rank in zip(*hits, strict=True) for row in rank))
    some = round(RANDOM_SHARE * count)
    ranked = ranked[: 3 * count]
    ranked = [ranked[at] for at in distinct_rows(pool.vectors[ranked])]
    labelled = pool.rows(list(dev_labels(concept)))
    chosen = diverse_rows(pool.vectors[ranked], count - some, near=pool.vectors[labelled])
    found = [ranked[at] for at in chosen]
    rest = sorted(free - set(found))
    found += rng_for(concept, "mine", concept.current, len(labelled)).sample(rest, min(some, len(rest)))
    close = {row for hit in hits[len(positive) :] for row in hit}
    names = [pool.images[row].content_hash for row in found]
    return Mined(
        images=tuple(names),
        near_miss=tuple(name for row, name in zip(found, names, strict=True) if row in close),
    ), searches.written


async def lay_out(
    mined: Mined,
    concept: Concept,
    context: DefineContext,
    *,
    number: int,
    asked: Sequence[str],
    before: Definition | None = None,
) -> Board | None:
    """Choose the images of a board, without those that come back; None where too few are left.

    After an edit, images whose call it changed come first: an edit that a few labels spoke for may be
    wrong about many others. Otherwise images that the annotator and a quick classifier of the owner's labels
    call differently stand beside those that share an ambiguity, and some are drawn from the whole pool: what
    the annotator is sure of, and wrong about, is nowhere near any border.

    Args:
        mined: The images at hand.
        concept: The concept.
        context: The conversation's tools.
        number: Which board it is.
        asked: Ambiguities of earlier boards.
        before: The definition before edits that no board has put to the test; None where there are none.
    """
    blind = context.pool.rows(list(concept.blind))
    rows = rows_apart(context.pool.vectors, context.free_rows(concept), blind)
    names = [context.pool.images[row].content_hash for row in rows]
    rng_for(concept, "board", number).shuffle(names)
    if context.options.kind == "random":
        return random_board(names, context)
    board = await _borderline(mined, concept, context, names, asked=asked, before=before)
    if board is None:
        return random_board(names, context)
    drawn = min(context.options.drawn, context.options.board_size)
    kept = board.images[: context.options.board_size - drawn]
    others = _present([name for name in names if name not in kept], context, drawn)
    return board.model_copy(update={"images": (*kept, *others)})


async def _borderline(
    mined: Mined,
    concept: Concept,
    context: DefineContext,
    names: Sequence[str],
    *,
    asked: Sequence[str],
    before: Definition | None,
) -> Board | None:
    free = {context.pool.images[row].content_hash for row in context.free_rows(concept)}
    files = [f for f in context.files(mined.images) if f.content_hash in free and f.path.is_file()]
    if before is not None:
        both = clause_verdicts(await context.annotator.judge(files, together(concept.definition, before)))
        board = turned(both, before, concept.definition, context)
        if board is not None:
            return board
    verdicts = await context.annotator.judge(files, concept.definition)
    doubted = doubtful(verdicts, mined, concept, count=context.options.doubted)
    doubts = await _doubts(doubted, concept, context)
    board = shared_ambiguity(doubts, verdicts, concept, context, asked=asked)
    board = board or least_sure(verdicts, context)
    if board is None:
        return None
    odd = await disputed(names, verdicts, concept, context, count=context.options.disputed)
    return board.model_copy(update={"images": tuple(dict.fromkeys((*odd, *board.images)))})


def turned(
    verdicts: Mapping[str, Sequence[ClauseVerdict]],
    before: Definition,
    after: Definition,
    context: DefineContext,
) -> Board | None:
    """A board of images that edits have turned; None where they turned fewer than `LEAST_TOGETHER`."""
    old, new = calls(before, verdicts), calls(after, verdicts)
    flipped = [image for image in verdicts if old[image] != new[image]]
    if len(flipped) < LEAST_TOGETHER:
        return None
    rows = context.pool.rows(flipped)
    chosen = diverse_rows(context.pool.vectors[rows], context.options.board_size)
    about = "; ".join(changed_texts(before, after))
    return _board([flipped[at] for at in chosen], about, new, context)


def changed_texts(before: Definition | None, after: Definition) -> list[str]:
    """The clauses that came or went."""
    if before is None:
        return []
    old, new = {c.text for c in before.active}, {c.text for c in after.active}
    return [*(c.text for c in after.active if c.text not in old)] + [
        c.text for c in before.active if c.text not in new
    ]


def together(definition: Definition, before: Definition | None) -> Definition:
    """The clauses of both definitions, so that one look at an image tells them all."""
    if before is None:
        return definition
    known = {clause.id for clause in definition.active}
    return Definition(clauses=(*definition.active, *(c for c in before.active if c.id not in known)))


def random_board(names: Sequence[str], context: DefineContext) -> Board | None:
    """The first images of a shuffled pool whose files are there; None where there is none."""
    present = _present(names, context, context.options.board_size)
    return Board(images=tuple(present), ambiguity="", kind="random") if present else None


def doubtful(verdicts: Sequence[Verdict], mined: Mined, concept: Concept, *, count: int) -> list[Verdict]:
    """Verdicts worth doubting: uncertain ones and near misses called "in" first, then some certain ones."""
    near = set(mined.near_miss)
    ranked = sorted(
        verdicts,
        key=lambda v: -(doubt_of(v) + (0.5 if v.image in near and v.call == "in" else 0.0)),
    )
    certain = round(CONFIDENT_SHARE * count)
    first, rest = ranked[: count - certain], ranked[count - certain :]
    rng_for(concept, "doubt", concept.current, len(concept.labels)).shuffle(rest)
    return [*first, *rest[:certain]]


def doubt_of(verdict: Verdict) -> float:
    """How uncertain a verdict is: 1 at one half and where nothing is known, 0 where it is certain."""
    return 1.0 if verdict.p is None else 1 - abs(2 * verdict.p - 1)


def shared_ambiguity(
    doubts: Sequence[Doubt],
    verdicts: Sequence[Verdict],
    concept: Concept,
    context: DefineContext,
    *,
    asked: Sequence[str],
) -> Board | None:
    """The images that share the largest and most uncertain ambiguity that was not asked about before."""
    if not doubts:
        return None
    clauses = [clause.text for clause in concept.definition.active]
    texts = [*(doubt.gap for doubt in doubts), *asked, *clauses]
    vectors = context.encoder.encode_texts(texts)
    best: tuple[float, list[Doubt]] | None = None
    for members in groups_by_meaning(vectors):
        if any(len(doubts) <= m < len(doubts) + len(asked) for m in members):
            continue
        own = [doubts[m] for m in members if m < len(doubts)]
        if len({doubt.image for doubt in own}) < LEAST_TOGETHER:
            continue
        weight = sum({d.image: d.weight for d in sorted(own, key=lambda d: d.weight)}.values())
        weight *= SPOKEN_OF if any(m >= len(doubts) + len(asked) for m in members) else 1.0
        if best is None or weight > best[0]:
            best = (weight, own)
    if best is None:
        return None
    ambiguity = _wording(best[1])
    sharing = list(dict.fromkeys(d.image for d in sorted(best[1], key=lambda d: -d.weight)))
    return _board(sharing, ambiguity, {verdict.image: verdict.call for verdict in verdicts}, context)


def least_sure(verdicts: Sequence[Verdict], context: DefineContext) -> Board | None:
    """The most uncertain images of all, far apart from each other."""
    files = context.pool.rows([verdict.image for verdict in verdicts])
    if not files:
        return None
    worth = torch.tensor([doubt_of(verdict) + 1e-3 for verdict in verdicts])
    rows = diverse_rows(context.pool.vectors[files], context.options.board_size, worth=worth)
    return Board(images=tuple(verdicts[row].image for row in rows), ambiguity="")


def returning(concept: Concept, options_left: int, *, number: int, count: int) -> tuple[str, ...]:
    """Labelled images that come back unannounced: each once, and none of the last board."""
    last = next((set(d.images) for d in reversed(concept.decisions) if d.kind == "board"), set[str]())
    came_back = {label.image for label in concept.labels if label.repeat}
    seen = revealed_images(concept)
    known = [image for image in dev_labels(concept) if image not in came_back | last]
    rng_for(concept, "repeats", number).shuffle(known)
    known.sort(key=lambda image: image in seen)
    return tuple(known[: max(0, min(count, options_left))])


def _board(
    sharing: Sequence[str], ambiguity: str, called: Mapping[str, Call], context: DefineContext
) -> Board:
    """A board of images that share an ambiguity, filled up with judged images that show most of it.

    Images called "in" and others take turns: an ambiguity is decided by what lies on both sides of it.
    """
    size = context.options.board_size
    chosen = in_turns(sharing, called)[:size]
    if len(chosen) < size:
        others = [image for image in called if image not in chosen]
        rows = context.pool.rows(others)
        likeness = context.pool.vectors[rows] @ context.encoder.encode_texts([ambiguity])[0]
        order = likeness.argsort(descending=True, stable=True).tolist()
        nearest = [others[at] for at in order[: 2 * size]]
        chosen += in_turns(nearest, called)[: size - len(chosen)]
    return Board(images=tuple(chosen), ambiguity=ambiguity)


def in_turns(images: Sequence[str], called: Mapping[str, Call]) -> list[str]:
    """Images called "in" and the others in turns, each in the order given; what is left over follows."""
    first = [image for image in images if called[image] == "in"]
    second = [image for image in images if called[image] != "in"]
    pairs = itertools.zip_longest(first, second)
    return [image for pair in pairs for image in pair if image is not None]


def _wording(doubts: Sequence[Doubt]) -> str:
    """The words that weigh most among those that mean the same; among equals the shorter ones."""
    weights: dict[str, float] = {}
    for doubt in doubts:
        weights[doubt.gap] = weights.get(doubt.gap, 0.0) + doubt.weight
    return min(weights, key=lambda gap: (-weights[gap], len(gap), gap))


async def _doubts(verdicts: Sequence[Verdict], concept: Concept, context: DefineContext) -> list[Doubt]:
    if context.gap_finder is None or not verdicts:
        return []
    files = context.files([verdict.image for verdict in verdicts])
    found = await context.gap_finder.gaps(
        files,
        verdicts,
        concept=concept.name,
        purpose=concept.purpose,
        definition=concept.definition,
        progress=lambda done, of: context.progress(VerdictsDoubted(done=done, of=of)),
    )
    context.progress(GapsFound(images=len(files), gaps=sum(map(len, found))))
    return [
        Doubt(verdict.image, gap, (CONFIDENT_WORTH + (1 - CONFIDENT_WORTH) * doubt_of(verdict)) / (1 + rank))
        for verdict, gaps in zip(verdicts, found, strict=True)
        for rank, gap in enumerate(gaps)
    ]


def _present(names: Sequence[str], context: DefineContext, count: int) -> list[str]:
    """The first so many whose files are still there."""
    found: list[str] = []
    for file in context.files(names):
        if len(found) == count:
            break
        if file.path.is_file():
            found.append(file.content_hash)
    return found


async def disputed(
    names: Sequence[str], verdicts: Sequence[Verdict], concept: Concept, context: DefineContext, *, count: int
) -> list[str]:
    """Images that one of both calls in and the other does not, the furthest apart first.

    A definition is blind to what it never mentions: whole groups of images that the annotator is sure to be
    out are nowhere near any border of it. What the owner called in before looks like some of them. The two
    see with different eyes, as in co-training (Blum & Mitchell 1998); where they differ one is wrong.

    Args:
        names: Images that may be shown.
        verdicts: The annotator's, by the definition in force, on images at hand.
        concept: The concept.
        context: The conversation's tools.
        count: How many; half of them such as the annotator calls out.

    Returns:
        Fewer where there are fewer, none while there are too few labels.
    """
    head = _quick_head(concept, context)
    if head is None or not count:
        return []
    rows = context.pool.rows(names)
    p, _ = head.probabilities(context.pool.vectors[rows])
    likely = {context.pool.images[row].content_hash: float(own) for row, own in zip(rows, p, strict=True)}
    ranked = sorted(likely, key=lambda name: -likely[name])[: 2 * LOOKED_AT]
    distinct = distinct_rows(context.pool.vectors[context.pool.rows(ranked)])[:LOOKED_AT]
    looked = await context.annotator.judge(context.files([ranked[at] for at in distinct]), concept.definition)
    missed = [v.image for v in looked if v.call == "out"]
    found = {v.image: v for v in (*verdicts, *looked) if v.image in likely and v.call == "in"}
    false = sorted(found, key=lambda image: likely[image])
    false = [image for image in false if likely[image] < 0.5]
    pairs = [name for pair in zip(missed, false, strict=False) for name in pair]
    rest = [*missed[len(pairs) // 2 :], *false[len(pairs) // 2 :]]
    return [*pairs, *rest][:count]


def _quick_head(concept: Concept, context: DefineContext) -> Head | None:
    labels = {image: label.value for image, label in dev_labels(concept).items() if label.value != "unsure"}
    labels = {image: value for image, value in labels.items() if image in context.pool.row_of}
    inside = sum(value == "in" for value in labels.values())
    if min(inside, len(labels) - inside) < LEAST_LABELS:
        return None
    ones = torch.ones(len(labels))
    target = torch.tensor([float(value == "in") for value in labels.values()])
    vectors = context.pool.vectors[context.pool.rows(list(labels))]
    network = fit(Examples(vectors, target, torch.zeros(len(labels), 0), ones, ones), QUICK)
    return Head(network, "direct", concept.definition.model_copy(update={"clauses": ()}))
