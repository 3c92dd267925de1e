"""Chooses the images of a build, and turns verdicts and the owner's labels into examples.

Blind images never come near it.
"""

from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from fieldmark.agents.build.context import BuildContext
from fieldmark.agents.define.boards.queries import searches_for
from fieldmark.records import Concept, Definition, Label, Record, Verdict
from fieldmark.tools.annotate.confidence import Confidence, calibrated
from fieldmark.tools.concepts.changes import dev_labels, misread_images
from fieldmark.tools.concepts.heads.network import Head
from fieldmark.tools.concepts.heads.train import Examples
from fieldmark.tools.concepts.mining import distinct_rows, diverse_rows, rows_apart, uncertainty
from fieldmark.tools.concepts.pool import ImagePool

LEAST_TRUST = 0.1
"""What the least certain verdict counts; the surest counts 1."""
WIDER = 6
"""The most uncertain images, so many times as are wanted, are what a diverse choice is made from."""


class DebatedCall(Record):
    """What the judge of a debate decided of an image."""

    call: Literal["in", "out"]
    p: float = Field(ge=0, le=1)
    """Probability of "in", as stated."""


class Sample(Record):
    """The images of a build, in the order they were chosen."""

    drawn: tuple[str, ...] = ()
    """Content hashes of those drawn at random."""
    mined: tuple[str, ...] = ()
    """Those found by a query."""
    active: tuple[str, ...] = ()
    """Those added because the classifier of the moment was unsure."""

    @property
    def images(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.drawn, *self.mined, *self.active)


def free_rows(concept: Concept, pool: ImagePool) -> list[int]:
    """Rows of the pool outside of the blind test, and not as good as the same as an image of it."""
    rows = [row for row in range(len(pool)) if pool.images[row].content_hash not in concept.blind]
    return rows_apart(pool.vectors, rows, pool.rows(list(concept.blind)))


def taught_labels(concept: Concept, pool: ImagePool) -> dict[str, Label]:
    """The owner's plain labels that may be learned from, by content hash.

    Neither those of blind images nor of near-copies of one: who learned from them would be tested on what it
    knows.
    """
    free = set(free_rows(concept, pool))
    return {
        image: label
        for image, label in dev_labels(concept).items()
        if label.value != "unsure" and pool.row_of.get(image) in free
    }


async def first_sample(context: BuildContext) -> Sample:
    """Images drawn at random, and images that queries for the concept and its near misses find."""
    concept, options, pool = context.concept, context.options, context.pool
    free = free_rows(concept, pool)
    wanted = min(options.annotate, len(free))
    drawn = drawn_rows(context, free)
    left = wanted - len(drawn) - round(wanted * options.active * bool(options.rounds))
    taken = set(drawn) | (set(range(len(pool))) - set(free))
    mined = await _mined(concept, context, max(0, left), taken)
    return Sample(drawn=_hashes(drawn, pool), mined=_hashes(mined, pool))


def drawn_rows(context: BuildContext, free: Sequence[int]) -> list[int]:
    """The rows among those that are free that a build draws at random."""
    rng = Random(f"fieldmark build {context.options.seed} {context.version}")
    wanted = min(context.options.annotate, len(free))
    return rng.sample(free, min(len(free), max(1, round(wanted * context.options.by_chance))))


async def _mined(concept: Concept, context: BuildContext, count: int, taken: set[int]) -> list[int]:
    """The nearest images of every query in turn, near-duplicates left out."""
    if not count:
        return []
    searches = await searches_for(concept, context.definition, context.llm, context.progress)
    texts = searches.texts
    vectors = context.encoder.encode_texts(texts)
    each = -(-2 * count // len(texts))
    hits = context.pool.search(vectors, each, without=sorted(taken))
    ranked = list(dict.fromkeys(hits.rows.T.flatten().tolist()))
    kept = [ranked[place] for place in distinct_rows(context.pool.vectors[ranked])]
    return kept[:count]


def next_sample(sample: Sample, head: Head, count: int, context: BuildContext) -> Sample:
    """Add images that the head is unsure about and that differ from each other."""
    pool, concept = context.pool, context.concept
    known = set(pool.rows(sample.images))
    rows = [row for row in free_rows(concept, pool) if row not in known]
    if not rows or not count:
        return sample
    p, _ = head.probabilities(pool.vectors[rows])
    doubt = uncertainty_around(p, head.threshold)
    most = doubt.topk(min(len(rows), WIDER * count)).indices
    chosen = diverse_rows(pool.vectors[torch.tensor(rows)[most]], count, worth=doubt[most] + 1e-3)
    added = [rows[int(most[place])] for place in chosen]
    return sample.model_copy(update={"active": (*sample.active, *_hashes(added, pool))})


def uncertainty_around(p: torch.Tensor, threshold: float) -> torch.Tensor:
    """How near probabilities are to where the decision turns: 1 there, 0 at 0 and at 1."""
    centre = min(max(threshold, 1e-3), 1 - 1e-3)
    below = p / centre / 2
    return uncertainty(torch.where(p < centre, below, 1 - (1 - p) / (1 - centre) / 2))


def examples_of(
    sample: Sample,
    verdicts: Sequence[Verdict],
    settled: Mapping[str, DebatedCall],
    context: BuildContext,
    *,
    owner_weight: float,
) -> tuple[Examples, Tensor]:
    """Examples out of verdicts, debates and the owner's labels.

    Images without a known label are left out. A label of the owner outside of the blind test stands in
    the place of the annotator's verdict, which nothing overwrites: both are kept where they belong.

    Args:
        sample: The images.
        verdicts: The annotator's verdicts, in any order.
        settled: What the judge of a debate decided, by content hash.
        context: The build.
        owner_weight: What a label of the owner counts.

    Returns:
        The examples, and which of them the owner labelled `[N]` bool.
    """
    concept, pool = context.concept, context.pool
    definition = context.definition
    labels = taught_labels(concept, pool)
    by_hash = {verdict.image: verdict for verdict in verdicts}
    confidence = calibrated(verdicts, labels)
    stands_for = len(free_rows(concept, pool)) / max(1, len(sample.drawn))
    drawn = set(sample.drawn)
    misread: dict[str, set[str]] = {}
    for clause, wrongly in misread_images(concept).items():
        for label in wrongly:
            misread.setdefault(label.image, set()).add(clause)
    hashes: list[str] = []
    rows: list[tuple[float, float, float]] = []
    clauses: list[list[float]] = []
    for image in dict.fromkeys((*sample.images, *labels)):
        known = (
            _by_owner(labels[image], owner_weight)
            if image in labels
            else _by_annotator(by_hash.get(image), settled.get(image), confidence)
        )
        if known is None or image not in pool.row_of:
            continue
        hashes.append(image)
        rows.append((*known, stands_for if image in drawn else 0.0))
        clauses.append(clause_row(by_hash.get(image), definition, misread=misread.get(image, ())))
    table = torch.tensor(rows, dtype=torch.float32).reshape(len(rows), 3)
    examples = Examples(
        vectors=pool.vectors[pool.rows(hashes)],
        target=table[:, 0].contiguous(),
        clauses=torch.tensor(clauses, dtype=torch.float32).reshape(len(rows), len(definition.active)),
        weight=table[:, 1].contiguous(),
        stands_for=table[:, 2].contiguous(),
        names=tuple(hashes),
    )
    return examples, torch.tensor([image in labels for image in hashes], dtype=torch.bool)


def clause_row(
    verdict: Verdict | None, definition: Definition, *, misread: Collection[str] = ()
) -> list[float]:
    """Probability of each active clause; NaN where it is unknown, or misread as the owner says."""
    found = {each.clause: each for each in verdict.clauses} if verdict else {}
    row: list[float] = []
    for clause in definition.active:
        known = found.get(clause.id)
        unknown = known is None or known.finding in ("abstain", "refused") or clause.id in misread
        p = None if unknown or known is None else known.p
        row.append(float("nan") if p is None else p)
    return row


def _by_owner(label: Label, weight: float) -> tuple[float, float]:
    """Target and weight of an image that the owner labelled."""
    return float(label.value == "in"), weight


def _by_annotator(
    verdict: Verdict | None, settled: DebatedCall | None, confidence: Confidence
) -> tuple[float, float] | None:
    """Target and weight of another image: the call, and how likely it is right; None without a call.

    The judge of a debate is the same model, and is believed as a verdict that is as sure. At its word alone
    it would outweigh all others, and just where annotator and classifier disagree it is often wrong.
    """
    said = settled or verdict
    if said is None or said.p is None:
        return None
    inside = confidence.of(said.p)
    return float(said.call == "in"), max(LEAST_TRUST, 2 * (inside if said.call == "in" else 1 - inside) - 1)


def _hashes(rows: Sequence[int], pool: ImagePool) -> tuple[str, ...]:
    return tuple(pool.images[row].content_hash for row in rows)
