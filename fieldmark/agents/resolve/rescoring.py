"""Scores all images by the answers so far: the table rule, naive Bayes, FuDD's rule, or the evidence."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.agents.resolve.context import SHORTLIST, ResolveContext
from fieldmark.agents.resolve.evidence import weighed
from fieldmark.agents.resolve.field_guide import guide_of, load_array, load_notebook
from fieldmark.agents.resolve.planning import PlanView
from fieldmark.agents.shared.notes import Note, Notebook
from fieldmark.errors import InputError
from fieldmark.prompts.tabulate import SeenValues
from fieldmark.tools.books.wording import class_text
from fieldmark.tools.scoring.attribute_evidence import pool_mean
from fieldmark.tools.scoring.candidates import class_probabilities, spread_temperature
from fieldmark.tools.scoring.field_guide import FieldGuide, block_cosines, value_cosines, value_vectors
from fieldmark.tools.scoring.fudd import PairTexts, fudd_scores_within
from fieldmark.tools.scoring.inductive import LEAST_NAME_WEIGHT, InductiveGuide, confidence, name_weight
from fieldmark.tools.scoring.table import TableOptions, TableResult, centred, table_rule
from fieldmark.tools.scoring.vectors import BlockCosines, image_steps

DENSE_CELLS = 60_000_000
"""Above this many image × class × attribute cells only each image's likeliest classes are scored."""
NAMES = "names "
"""What the names say of a shortlist is the same in every round: it is remembered under this and its hash."""
DESCRIBED_FROM = 0.5
"""A class counts as described once answers give it values for this share of the attributes."""


@dataclass(frozen=True)
class ScoredTable:
    """The field guide that the answers make, and what the table rule makes of it."""

    guide: FieldGuide
    result: TableResult

    def scores(self, like: Tensor) -> Tensor:
        """Class scores `[N, C]` float32, -inf where a class was not scored; shaped like `like`.

        In a large pool they are `[N, K]`, in the columns of the shortlist.
        """
        columns = self.result.candidates
        if columns is None or like.shape[1] != len(self.result.q):
            return self.result.scores
        # A missing candidate (-1) is written to column 0, where its -inf cannot displace a real score.
        dense = torch.full_like(like, -torch.inf)
        return dense.scatter_reduce_(1, columns.clamp(min=0), self.result.scores, "amax")


def rescore(
    notebook: str, first: Tensor, within: str, context: ResolveContext, *, shortlist: str = ""
) -> tuple[Tensor, float]:
    """Class scores `[N, C]` by everything known, and the temperature that belongs to them.

    Args:
        notebook: Hash of all answers so far.
        first: Class probabilities of the first look `[N, C]`.
        within: Hash of the classes that each image may still be `[N, C]` bool.
        context: The run.
        shortlist: See `ResolveState.shortlist`.

    Returns:
        Scores, -inf where a class was not scored, and what to divide them by before the softmax. The
        table rule's scores are log-odds; FuDD's are cosines and are spread over rivals.
    """
    if context.rule == "evidence":
        return weighed(notebook, context).evidence.log_p, 1.0
    if context.rule == "fudd":
        scores = fudd(load_notebook(notebook, context), load_array(within, context), context)
        return scores, spread_temperature(scores)
    table = tabulated(notebook, first, within, context, shortlist=shortlist)
    if table is None:
        return first.clamp(min=1e-12).log(), 1.0
    return table.scores(first), context.options.table_temperature


def tabulated(
    notebook: str, first: Tensor, within: str, context: ResolveContext, *, shortlist: str = ""
) -> ScoredTable | None:
    """The table that the answers make, scored; None without any vote.

    Triage, planning and the conclusion look at the same table: the last one is remembered.

    Args:
        notebook: Hash of all answers so far.
        first: Class probabilities of the first look `[N, C]`.
        within: Hash of the candidates from before these answers `[N, C]` bool. Not those that they led to:
            a table too large to score whole would come out otherwise, and what a run looked at before it was
            interrupted would not be what it looks at after.
        context: The run.
        shortlist: See `ResolveState.shortlist`.
    """
    if context.rule == "evidence":
        found = weighed(notebook, context)
        return ScoredTable(found.guide, found.table) if found.guide and found.table else None
    key = f"table {notebook} {within}"
    if key not in context.memo:
        kept = {name: found for name, found in context.memo.items() if name.startswith(NAMES)}
        context.memo.clear()
        context.memo |= kept
        context.memo[key] = _tabulate(load_notebook(notebook, context), first, within, context, shortlist)
    found = context.memo[key]
    return found if isinstance(found, ScoredTable) else None


def _tabulate(
    notebook: Notebook, first: Tensor, within: str, context: ResolveContext, shortlist: str
) -> ScoredTable | None:
    guide = guide_of(notebook, context)
    if guide is None:
        return None
    encode, reference = context.encoder.encode_texts, context.encoder.reference
    left = load_array(within, context)
    listed = load_array(shortlist, context).to(torch.int64) if shortlist else None
    in_memory = 4 * len(left) * guide.mask.numel() <= context.memory // 4
    cosines = value_cosines if in_memory else block_cosines
    result = table_rule(
        cosines(guide, context.vectors, encode),
        guide.counts,
        _columns(first, left, guide) if listed is None else listed.masked_fill(~left, -1),
        table_options(context),
        name_scores=name_scores(context) if listed is None else name_scores_within(shortlist, context),
        reference=None if reference is None else value_cosines(guide, reference, encode),
    )
    return ScoredTable(guide, result)


def name_scores(context: ResolveContext) -> Tensor:
    """CLIP's own log-odds of each class name `[N, C]`, centred over the pool and weighed for the whole of it.

    They add to the table's.
    """
    names = context.encoder.encode_texts([class_text(name) for name in context.classes])
    reference = context.encoder.reference
    cosines = context.vectors @ names.T
    found = centred(cosines, None if reference is None else reference @ names.T)
    given = context.options.name_weight
    weight = name_weight(cosines, scale=context.encoder.logit_scale, given=given, pooled=True)
    return context.encoder.logit_scale * weight[:, None] * found


def name_scores_within(shortlist: str, context: ResolveContext) -> Tensor:
    """The scores of `name_scores` for some classes of each image `[N, K]`; those of all are never held.

    Args:
        shortlist: See `ResolveState.shortlist`.
        context: The run.
    """
    known = context.memo.get(NAMES + shortlist)
    if isinstance(known, Tensor):
        return known
    listed = load_array(shortlist, context).to(torch.int64)
    names = context.encoder.encode_texts([class_text(name) for name in context.classes])
    reference, scale = context.encoder.reference, context.encoder.logit_scale
    cosines = BlockCosines(context.vectors, names[None])
    mean = pool_mean(cosines, None if reference is None else (reference @ names.T)[:, None])[0]
    found = torch.empty(listed.shape)
    sure = torch.zeros((), dtype=torch.float64)
    for step in image_steps(len(listed), len(names)):
        every = cosines[step][:, 0]
        sure += confidence(every, scale=scale).sum(dtype=torch.float64)
        found[step] = (every - mean).gather(1, listed[step])
    given = context.options.name_weight
    weight = max(LEAST_NAME_WEIGHT, float(sure) / len(listed)) if given is None else given
    context.memo[NAMES + shortlist] = found.mul_(scale * weight)
    return found


def single_scores(notebook: Notebook, context: ResolveContext) -> Tensor:
    """Class scores `[N, C]` with every image scored as if it came alone (the inductive form).

    Raises:
        InputError: There is no answer to score by, or the encoder ships no reference pool.
    """
    reference = context.encoder.reference
    if not notebook.votes or reference is None:
        raise InputError("One image alone needs answers, and an encoder with a reference pool.")
    return inductive_guide(guide_of(notebook, context), reference, context).scores(context.vectors)


def inductive_guide(guide: FieldGuide | None, reference: Tensor, context: ResolveContext) -> InductiveGuide:
    """A field guide that scores one image at a time; names alone where there is none.

    Args:
        guide: The answers as a table.
        reference: Unit vectors of images that centre the scores `[R, D]`.
        context: The run.
    """
    encode = context.encoder.encode_texts
    names = encode([class_text(name) for name in context.classes])
    return InductiveGuide(
        values=torch.zeros(0, 0, names.shape[1]) if guide is None else value_vectors(guide, encode),
        counts=torch.zeros(len(names), 0, 0) if guide is None else guide.counts,
        names=names,
        reference=reference,
        scale=context.encoder.logit_scale,
        name_weight=context.options.name_weight,
    )


def table_options(context: ResolveContext) -> TableOptions:
    """The table rule's constants under the run's options."""
    options = context.options
    rounds = 0 if options.rule == "nb" else TableOptions().rounds
    return TableOptions(rounds=rounds, share="pool", name_weight=1.0, memory=context.memory)


def _columns(first: Tensor, candidates: Tensor, guide: FieldGuide) -> Tensor | None:
    """Which classes to score: all where that fits into memory, else each image's likeliest candidates."""
    if candidates.numel() * len(guide.attributes) <= DENSE_CELLS:
        return None
    likely = first.masked_fill(~candidates, -1.0).topk(min(SHORTLIST, first.shape[1]), dim=1)
    return likely.indices.masked_fill(likely.values < 0, -1)


def fudd(notebook: Notebook, candidates: Tensor, context: ResolveContext) -> Tensor:
    """FuDD's own second step, each image within its own candidates.

    Only a rival that is left brings its sentences up: one that was ruled out has nothing more to say.
    """
    return fudd_scores_within(
        context.vectors,
        context.encoder.encode_texts,
        candidates,
        pair_texts(notebook.notes, context.classes),
        [class_text(name) for name in context.classes],
    )


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
    notebook: str,
    first: Tensor,
    scores: Tensor,
    candidates: Tensor,
    temperature: float,
    context: ResolveContext,
    *,
    scored_within: str,
    shortlist: str = "",
) -> PlanView:
    """What the planner may look at: how much each open image is still each class, and the table's gaps.

    Calibration images count like the others: a loop that spent its questions on the others alone would not
    treat both alike, and conformal coverage would be lost.

    Args:
        notebook: Hash of all answers so far.
        first: Class probabilities of the first look `[N, C]`.
        scores: The latest class scores `[N, C]`.
        candidates: The classes left `[N, C]` bool.
        temperature: What the scores are divided by.
        context: The run.
        scored_within: Hash of the candidates that the scores were made within.
        shortlist: See `ResolveState.shortlist`.
    """
    still_open = candidates.sum(1) > 1
    weights = class_probabilities(scores, temperature, within=candidates)[still_open]
    table = tabulated(notebook, first, scored_within, context, shortlist=shortlist)
    columns: tuple[str, ...] = ()
    columns_hash = ""
    counts = doubt = torch.zeros(len(context.classes), 0)
    alike: Tensor | None = None
    if table is not None:
        columns = table.guide.attributes
        seen = SeenValues(values=dict(zip(columns, table.guide.values, strict=True)))
        columns_hash = context.arrays.put_json(seen.model_dump(mode="json"))
        counts = table.guide.counts.sum(-1)
        doubt = contradiction(table.guide.counts, table.result.q)
        alike = rows_alike(table.guide.counts) if context.rule == "evidence" else None
    return PlanView(
        classes=context.classes,
        weights=weights,
        listed=load_array(shortlist, context).to(torch.int64)[still_open] if shortlist else None,
        columns=columns,
        columns_hash=columns_hash,
        counts=counts,
        doubt=doubt,
        alike=alike,
        notes=load_notebook(notebook, context).notes,
        group_size=context.options.group_size,
    )


def rows_alike(counts: Tensor) -> Tensor:
    """Pairs of classes that the votes give the same value in every attribute where both have votes.

    Args:
        counts: Votes `[C, T, V]`.

    Returns:
        `[C, C]` bool.
    """
    said = counts.sum(-1) > 0
    value = torch.nn.functional.one_hot(counts.argmax(-1), counts.shape[-1]) * said[..., None]
    both = said.float() @ said.float().T
    same = value.flatten(1).float() @ value.flatten(1).float().T
    return both - same < 0.5


def undescribed_classes(table: ScoredTable) -> Tensor:
    """Classes whose row of the table is mostly empty `[C]` bool."""
    described = (table.guide.counts.sum(-1) > 0).float().mean(1)
    return described < DESCRIBED_FROM


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
