"""Chooses how the annotator of a build looks: once, by the owner's labels, in steps, or several times."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fieldmark.agents.build.context import BuildContext
from fieldmark.agents.build.options import LookKind, Way
from fieldmark.agents.shared.estimate import CallEstimate, times, total
from fieldmark.errors import InputError
from fieldmark.records import Concept, Definition, Verdict
from fieldmark.tools.annotate.exemplars import choose_exemplars
from fieldmark.tools.annotate.looks import WayOfLooking
from fieldmark.tools.annotate.steps import STEPS
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.concepts.changes import blind_labels, dev_labels
from fieldmark.tools.concepts.pool import ImagePool
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.statistics.one_standard_error import choose_simplest

SAMPLES = 3
LEAST_LABELS = 20
"""Labelled images below which nothing is compared: the annotator looks once."""
CALLS: Mapping[Way, int] = {"once": 1, "examples": 1, "steps": STEPS, "samples": SAMPLES}
"""Questions an image, for each way, the cheapest first: an example costs tokens alone, the last of the
steps shows no image."""
COMPARED: tuple[Way, ...] = tuple(CALLS)
_SAID: Mapping[Way, str] = {
    "once": "looking once",
    "examples": "with examples",
    "steps": "in steps",
    "samples": f"looking {SAMPLES} times",
}


@dataclass(frozen=True)
class ComparedLooks:
    """How an annotator looks, and what was compared.

    Attributes:
        annotator: The annotator.
        chosen: How it looks.
        right: For each way that was compared the share of the owner's labels that it gives; empty where
            nothing was.
    """

    annotator: VlmAnnotator
    chosen: Way
    right: Mapping[Way, float]

    @property
    def notes(self) -> tuple[str, ...]:
        """What readers of the classifier must know of it."""
        said = [f"{_SAID[way]} {share:.0%}" for way, share in self.right.items()]
        compared = f" Of the owner's labels it gives: {', '.join(said)}." if said else ""
        return (f"Its annotator judged {_SAID[self.chosen]}.{compared}",)


async def annotator_looking(
    annotator: VlmAnnotator,
    kind: LookKind,
    concept: Concept,
    definition: Definition,
    pool: ImagePool,
) -> ComparedLooks:
    """The annotator as it is to look, chosen by the owner's labels where that is wanted.

    Every way judges what the owner labelled outside of the blind test. An example is never shown with itself,
    so that no way is told an answer. The cheapest way that is right as often as the best, but for one
    standard error of the difference image by image, is taken (Breiman et al. 1984, section 3.4.3).

    Args:
        annotator: Looks once.
        kind: How it is to look; "choose" compares.
        concept: For its labels.
        definition: The clauses.
        pool: The concept's images.

    Raises:
        InputError: There are no examples to show.
        EndpointError: The model cannot be asked.
        LimitReached: A limit was reached; what was judged is kept.
    """
    labels = owner_labels(concept, pool.row_of)
    if kind == "examples" and len(set(labels.values())) < 2:
        raise InputError(
            "There are no examples: it takes labelled images that are in, and some that are out.",
            hint="Label some first, or have the annotator look once.",
            field="looks",
        )
    ways = _ways(annotator, labels, pool)
    if kind != "choose":
        return ComparedLooks(ways[kind], kind, {})
    if not _can_compare(labels):
        return ComparedLooks(annotator, "once", {})
    images = [pool.images[row] for row in pool.rows(list(labels))]
    rights = [rights_of(await ways[way].judge(images, definition), labels) for way in COMPARED]
    place = choose_simplest(rights).chosen
    right: dict[Way, float] = {
        way: round(sum(own) / len(own), 4) for way, own in zip(COMPARED, rights, strict=True)
    }
    chosen = COMPARED[place]
    return ComparedLooks(ways[chosen], chosen, right)


def with_choosing(found: CallEstimate, context: BuildContext, *, judge: AskedModel | None) -> CallEstimate:
    """An estimate with all that choosing asks on top, as if none of it were known."""
    labels, annotator = owner_labels(context.concept, context.pool.row_of), context.annotator
    if judge is None or not isinstance(annotator, VlmAnnotator):
        return found
    if context.options.looks != "choose" or not _can_compare(labels):
        return found
    pool, definition = context.pool, context.definition
    asked = [
        each for way in _ways(annotator, labels, pool).values() for each in way.foretold(definition.active)
    ]
    room = times(total(map(judge.room, asked)), len(labels))
    cost, own = judge.cost_of(room), found.follow_up_cost
    note = f"Choosing how to look judges {len(labels)} labelled images in {len(COMPARED)} ways."
    return found.model_copy(
        update={
            "follow_up_most": found.follow_up_most + len(labels) * len(asked),
            "follow_up_tokens": found.follow_up_tokens + room.total,
            "follow_up_cost": None if cost is None else cost + (own or 0.0),
            "notes": (*found.notes, note),
        }
    )


def owner_labels(concept: Concept, pool: Container[str]) -> dict[str, Literal["in", "out"]]:
    """What the owner labelled in or out, outside of the blind test and in the pool."""
    blind = {*concept.blind, *blind_labels(concept)}
    return {
        image: label.value
        for image, label in dev_labels(concept).items()
        if label.value != "unsure" and image not in blind and image in pool
    }


def rights_of(verdicts: Sequence[Verdict], labels: Mapping[str, str]) -> list[float]:
    """1 for each verdict that is the owner's label, 0 for any other, silence included."""
    return [float(verdict.call == labels[verdict.image]) for verdict in verdicts]


def _can_compare(labels: Mapping[str, str]) -> bool:
    return len(labels) >= LEAST_LABELS and len(set(labels.values())) == 2


def _ways(
    annotator: VlmAnnotator, labels: Mapping[str, Literal["in", "out"]], pool: ImagePool
) -> Mapping[Way, VlmAnnotator]:
    return {
        "once": annotator.looking(WayOfLooking()),
        "examples": annotator.looking(WayOfLooking(examples=_examples(labels, pool))),
        "steps": annotator.looking(WayOfLooking(steps=True)),
        "samples": annotator.looking(WayOfLooking(samples=SAMPLES)),
    }


def _examples(
    labels: Mapping[str, Literal["in", "out"]], pool: ImagePool
) -> tuple[tuple[ImageFile, Literal["in", "out"]], ...]:
    hashes = list(labels)
    chosen = choose_exemplars(hashes, pool.vectors[pool.rows(hashes)], labels)
    return tuple((pool.images[pool.row_of[image]], labels[image]) for image in chosen)
