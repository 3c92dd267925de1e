"""The evidence of a run: what names, descriptors and answers say, each as reliable as it is here."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.field_guide import guide_of, load_notebook
from fieldmark.agents.resolve.first_look import first_book
from fieldmark.agents.shared.notes import Notebook
from fieldmark.errors import InputError
from fieldmark.tools.books.templates import IMAGENET_7, fill
from fieldmark.tools.runs.events import ViewWorth
from fieldmark.tools.scoring.books import book_scores
from fieldmark.tools.scoring.evidence.beside import with_beside
from fieldmark.tools.scoring.evidence.combine import Evidence, combine
from fieldmark.tools.scoring.evidence.fit import fits, unlisted
from fieldmark.tools.scoring.evidence.judges import FEWEST_JUDGES, Judges
from fieldmark.tools.scoring.evidence.labels import (
    DRAWN_PRIOR_LABELS,
    NONE_OF_THESE,
    PRIOR_LABELS,
    with_labels,
)
from fieldmark.tools.scoring.evidence.names import NameView
from fieldmark.tools.scoring.evidence.told_none import DOUBTFUL, SURE, like_none
from fieldmark.tools.scoring.field_guide import FieldGuide, value_cosines
from fieldmark.tools.scoring.prototype import ensemble_scores
from fieldmark.tools.scoring.table import TableOptions, TableResult, table_rule


@dataclass(frozen=True)
class WeighedEvidence:
    """Evidence, and the field guide behind its votes.

    Attributes:
        evidence: The evidence.
        guide: The answers as a table of votes; None before the first follow-up question.
        table: The table rule's result, steered by the names; None without a guide.
        fit: How well the best listed class fits each image [N] float32; see `fit.fits`.
        unlisted: Probability that an image is of no listed class [N] float32.
        told_none: Images to reject [N] bool: like one that by a person shows none of the classes, and they
            do not fit well themselves.
        labelled: Images that a person said something of [n] int64.
        labels: What was said [n] int64: a class, `NONE_OF_THESE` or `CANNOT_TELL`.
    """

    evidence: Evidence
    guide: FieldGuide | None
    table: TableResult | None
    fit: Tensor
    unlisted: Tensor
    told_none: Tensor
    labelled: Tensor
    labels: Tensor

    @property
    def worth(self) -> ViewWorth:
        """What names and answers are worth here."""
        accuracy = self.evidence.votes_accuracy
        return ViewWorth(
            known_names=round(float(self.evidence.names.known.mean()), 4),
            votes_accuracy=None if accuracy is None else round(accuracy, 4),
            votes_weight=round(self.evidence.votes_weight, 4),
            prior_trust=None if (share := self.evidence.prior_trust) is None else round(share, 4),
            repeated=None if (bursts := self.evidence.bursts) is None else round(bursts.dependence, 4),
            taken_apart=0 if bursts is None else bursts.apart,
            judges=self.evidence.judged,
        )

    def group_names(self, context: ResolveContext) -> tuple[str | None, ...]:
        """The group that each image of the pool shares its label with; None of an image that is by itself."""
        if self.evidence.bursts is None:
            return (None,) * len(context.usable)
        several = (self.evidence.bursts.sizes > 1).tolist()
        return tuple(
            context.groups.get(image.content_hash) if many else None
            for image, many in zip(context.usable, several, strict=False)
        )


def weighed(notebook: str, context: ResolveContext) -> WeighedEvidence:
    """The evidence by everything known so far; memoised per process."""
    key = f"evidence {notebook}"
    if key not in context.memo:
        context.memo.clear()
        context.memo[key] = _weigh(load_notebook(notebook, context), context)
    found = context.memo[key]
    if not isinstance(found, WeighedEvidence):
        raise InputError("The memo of the run holds something else than evidence.")
    return found


def _weigh(notebook: Notebook, context: ResolveContext) -> WeighedEvidence:
    names = _name_views(notebook, context)
    guide = guide_of(notebook, context)
    attributes = len(guide.attributes) if guide else 0
    votes = None if guide is None else _TableVotes(guide, context)
    evidence = combine(context.vectors, names, votes, attributes=attributes)
    evidence = with_beside(evidence, context.vectors, prior=_prior(context), number=burst_numbers(context))
    rows, labels = _labelled(context)
    if evidence.bursts is not None:
        rows, labels = evidence.bursts.spread(rows, labels)
    prior = DRAWN_PRIOR_LABELS if _drawn(context) else PRIOR_LABELS
    evidence = with_labels(
        evidence, context.vectors, rows, labels, prior=prior, judges=_judges(context, rows)
    )
    table = None if votes is None else votes.steered
    fit = fits(evidence, table, context.vectors, context.encoder.reference)
    if evidence.bursts is not None:
        fit = evidence.bursts.mean(fit)
    by_class, none_of_these = labels >= 0, rows[labels == NONE_OF_THESE]
    like = like_none(evidence, context.vectors, rows[by_class], labels[by_class], none_of_these)
    none = unlisted(fit)
    told = (like > SURE) & (none > DOUBTFUL)
    none = torch.maximum(none, like).index_fill(0, rows[by_class], 0.0)
    return WeighedEvidence(evidence, guide, table, fit, none, told, rows, labels)


def _prior(context: ResolveContext) -> Tensor | None:
    """How likely each class is beforehand [N, C]; all alike of images that nothing is known of."""
    if not context.prior:
        return None
    classes = len(context.classes)
    alike = (1 / classes,) * classes
    pool = [context.prior.get(image.content_hash, alike) for image in context.usable]
    return torch.tensor([*pool, *(alike for _ in context.usable_calibration)], dtype=torch.float32)


def burst_numbers(context: ResolveContext) -> Tensor | None:
    """A number for each image [N] int64, the same for images that share a label; None where none do."""
    numbers: dict[str | int, int] = {}
    names = [context.groups.get(image.content_hash) for image in context.usable]
    names += [None] * len(context.usable_calibration)
    found = [
        numbers.setdefault(row if name is None else name, len(numbers)) for row, name in enumerate(names)
    ]
    return torch.tensor(found) if len(numbers) < len(found) else None


def _labelled(context: ResolveContext) -> tuple[Tensor, Tensor]:
    """The rows of images that a person said something of [n], and what [n]: of the pool, then beside it."""
    said = [
        (row, label)
        for row, image in enumerate(context.usable)
        if (label := context.labels.get(image.content_hash)) is not None
    ]
    index = {name: number for number, name in enumerate(context.classes)}
    beside = enumerate(context.usable_calibration, start=len(context.usable))
    said += [
        (row, index[str(image.label)]) for row, image in beside if image.content_hash not in context.judges
    ]
    both = torch.tensor(said, dtype=torch.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _drawn(context: ResolveContext) -> bool:
    """Whether labelled images were drawn from all classes alike: those beside the pool, or of a book."""
    beside = (image.content_hash for image in context.usable_calibration)
    of_book = (each.image_hash for each in context.book.labelled) if context.book else ()
    return any(digest not in context.judges for digest in beside) or any(
        digest in context.labels for digest in of_book
    )


def _judges(context: ResolveContext, labelled: Tensor) -> Judges | None:
    """The images that judge a book, but those in rows `labelled` [n], which teach. None where too few."""
    teach = set(labelled.tolist())
    found = [
        (row, context.judges[image.content_hash])
        for row, image in enumerate((*context.usable, *context.usable_calibration))
        if image.content_hash in context.judges and row not in teach
    ]
    if len(found) < FEWEST_JUDGES:
        return None
    both = torch.tensor(found, dtype=torch.int64)
    return Judges(both[:, 0], both[:, 1])


def _name_views(notebook: Notebook, context: ResolveContext) -> tuple[NameView, ...]:
    """Cosines with templates of the names, and with the first look's prompts where it has others.

    Prompts that labelled images chose stand alone: what names are worth beside them was part of that choice.
    """
    encode, reference = context.encoder.encode_texts, context.encoder.reference
    prompts = [fill(IMAGENET_7, name) for name in context.classes]

    def view(score: Callable[[Tensor], Tensor], *, chosen: bool = False) -> NameView:
        return NameView(score(context.vectors), None if reference is None else score(reference), chosen)

    templates = view(lambda vectors: ensemble_scores(vectors, encode, prompts))
    if context.options.start == "names":
        return (templates,)
    first = first_book(tuple(note for note in notebook.notes if note.spec.kind == "describe"), context)
    chosen = context.options.start == "book" and context.book is not None and bool(context.book.labelled)
    prompted = view(lambda vectors: book_scores(first, vectors, encode), chosen=chosen)
    return (prompted,) if chosen else (templates, prompted)


class _TableVotes:
    """The table rule on the votes of some attributes; see `combine.SteeredVotes`."""

    steered: TableResult | None = None
    """The last result in which names steered."""

    def __init__(self, guide: FieldGuide, context: ResolveContext) -> None:
        encode, reference = context.encoder.encode_texts, context.encoder.reference
        self._counts = guide.counts
        self._cosines = value_cosines(guide, context.vectors, encode)
        self._reference = None if reference is None else value_cosines(guide, reference, encode)
        self._options = TableOptions(share="pool")

    def __call__(self, attributes: Tensor | None, names: Tensor | None) -> Tensor:
        which = torch.arange(self._counts.shape[1]) if attributes is None else attributes
        result = table_rule(
            self._cosines[:, which],
            self._counts[:, which],
            None,
            self._options,
            name_scores=names,
            reference=None if self._reference is None else self._reference[:, which],
        )
        if names is None:
            return result.scores
        self.steered = result
        return result.scores - names
