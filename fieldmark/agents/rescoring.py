"""Scores all images by the answers so far: the table rule, naive Bayes on the same table, or FuDD's rule.

It knows nothing of rounds, budgets or edges.
"""

import torch
from torch import Tensor

from fieldmark.agents.context import ResolveContext
from fieldmark.agents.notes import Note, Notebook
from fieldmark.agents.planning import PlanView
from fieldmark.tools.field_guide import FieldGuide, build_field_guide, value_cosines
from fieldmark.tools.prompt_texts import class_text
from fieldmark.tools.scoring.candidates import class_probabilities, spread_temperature
from fieldmark.tools.scoring.fudd import PairTexts, fudd_scores
from fieldmark.tools.scoring.table import TableOptions, TableResult, centred, table_rule

DENSE_CELLS = 60_000_000
"""Above this many image × class × attribute cells only each image's likeliest classes are scored."""
SPARSE_CLASSES = 64


def rescore(
    notebook: Notebook, first: Tensor, candidates: Tensor, context: ResolveContext
) -> tuple[Tensor, float]:
    """Class scores `[N, C]` by everything known, and the temperature that belongs to them.

    Args:
        notebook: All answers so far.
        first: Class probabilities of the first look `[N, C]`.
        candidates: Which classes each image may still be `[N, C]` bool.
        context: The run.

    Returns:
        Scores, -inf where a class was not scored, and what to divide them by before the softmax. The
        table rule's scores are log-odds and need none; FuDD's are cosines and are spread over rivals.
    """
    if context.options.rule == "fudd":
        scores = fudd(notebook, first, candidates, context)
        return scores, spread_temperature(scores)
    tabled = table(notebook, candidates, context)
    if tabled is None:
        return first.clamp(min=1e-12).log(), 1.0
    _, result = tabled
    if result.candidates is None:
        return result.scores, 1.0
    dense = torch.full_like(first, -torch.inf)
    columns = result.candidates
    # Missing candidates (-1) are written to the first column only where they are -inf anyway.
    values = result.scores.masked_fill(columns < 0, -torch.inf)
    return dense.scatter_reduce_(1, columns.clamp(min=0), values, "amax"), 1.0


def table(
    notebook: Notebook, candidates: Tensor, context: ResolveContext
) -> tuple[FieldGuide, TableResult] | None:
    """The field guide that the answers make, and the table rule's result; None without any vote."""
    if not notebook.votes:
        return None
    encode = context.encoder.encode_texts
    guide = build_field_guide(notebook.votes, context.classes, encode, noun=context.options.noun)
    if not guide.attributes:
        return None
    vectors, reference = context.vectors, context.encoder.reference
    names = encode([class_text(name) for name in context.classes])
    # CLIP's own log-odds of the name: the table's scores are log-odds too, so the two add up.
    name_scores = context.encoder.logit_scale * centred(
        vectors @ names.T, None if reference is None else reference @ names.T
    )
    result = table_rule(
        value_cosines(guide, vectors, encode),
        guide.counts,
        _columns(candidates, guide),
        _options(context),
        name_scores=name_scores,
        reference=None if reference is None else value_cosines(guide, reference, encode),
    )
    return guide, result


def _options(context: ResolveContext) -> TableOptions:
    options = context.options
    return TableOptions(
        rounds=0 if options.rule == "nb" else TableOptions().rounds, name_weight=options.name_weight
    )


def _columns(candidates: Tensor, guide: FieldGuide) -> Tensor | None:
    """Which classes to score: all where that fits into memory, else each image's first candidates."""
    if candidates.numel() * len(guide.attributes) <= DENSE_CELLS:
        return None
    columns = torch.sort(candidates.int(), dim=1, descending=True, stable=True)
    kept = columns.indices[:, :SPARSE_CLASSES]
    return kept.masked_fill(columns.values[:, :SPARSE_CLASSES] == 0, -1)


def fudd(notebook: Notebook, first: Tensor, candidates: Tensor, context: ResolveContext) -> Tensor:
    """FuDD's own second step within the candidates."""
    k = int(candidates.sum(1).max())
    scores = fudd_scores(
        context.vectors,
        context.encoder.encode_texts,
        first.masked_fill(~candidates, -1.0),
        pair_texts(notebook.notes, context.classes),
        [class_text(name) for name in context.classes],
        k=k,
    )
    return scores.masked_fill(~candidates, -torch.inf)


def pair_texts(notes: tuple[Note, ...], classes: tuple[str, ...]) -> PairTexts:
    """The captions of every answered pair, by class index."""
    index = {name: place for place, name in enumerate(classes)}
    pairs: dict[tuple[int, int], tuple[list[str], list[str]]] = {}
    for note in notes:
        if note.spec.kind == "pair" and note.votes:
            first, second = note.spec.classes
            sides = tuple(
                [vote.caption for vote in note.votes if vote.class_name == name and vote.caption]
                for name in (first, second)
            )
            pairs[index[first], index[second]] = (sides[0], sides[1])
    return pairs


def plan_view(
    notebook: Notebook, scores: Tensor, candidates: Tensor, temperature: float, context: ResolveContext
) -> PlanView:
    """What the planner may look at: how much each open image is still each class, and the table's gaps.

    Calibration images are left out: questions are spent on the images that were asked about.
    """
    kept = candidates[: len(context.usable)]
    still_open = kept.sum(1) > 1
    weights = class_probabilities(scores[: len(context.usable)], temperature, within=kept)[still_open]
    tabled = table(notebook, candidates, context)
    if tabled is None:
        columns: tuple[str, ...] = ()
        counts = doubt = torch.zeros(len(context.classes), 0)
        columns_hash = ""
    else:
        guide, result = tabled
        columns = guide.attributes
        columns_hash = context.arrays.put_json(dict(zip(columns, map(list, guide.values), strict=True)))
        counts, doubt = guide.counts.sum(-1), contradiction(guide.counts, result.q)
    return PlanView(
        classes=context.classes,
        weights=weights,
        columns=columns,
        columns_hash=columns_hash,
        counts=counts,
        doubt=doubt,
        notes=notebook.notes,
        group_size=context.options.group_size,
    )


def contradiction(counts: Tensor, q: Tensor) -> Tensor:
    """Total variation between what was voted and what the images make of it.

    Args:
        counts: Votes `[C, T, V]`.
        q: The corrected table `[C, T, V]`.

    Returns:
        `[C, T]` float32 in 0..1; 0 where nobody voted.
    """
    total = counts.sum(-1, keepdim=True)
    voted = counts / total.clamp(min=1)
    return 0.5 * (voted - q).abs().sum(-1) * (total[..., 0] > 0)
