"""Finds images on which the annotator and a quick classifier of the owner's own labels disagree."""

from collections.abc import Sequence

import torch

from fieldmark.agents.define.context import DefineContext
from fieldmark.records import Concept, Verdict
from fieldmark.tools.concepts.changes import dev_labels
from fieldmark.tools.concepts.heads.network import Head
from fieldmark.tools.concepts.heads.train import Examples, HeadRecipe, fit
from fieldmark.tools.concepts.mining import distinct_rows

LEAST_LABELS = 3
"""Labels of each kind that the quick classifier needs."""
QUICK = HeadRecipe(0, 1e-1)
"""How it is fitted: to few labels, so held back."""
LOOKED_AT = 30
"""Images that it takes for in most surely, and that the annotator is asked about."""


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
