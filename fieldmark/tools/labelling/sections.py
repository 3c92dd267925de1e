"""Makes labelling instructions out of a corrected table of values and the vectors of labelled pictures."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.labelling.document import ClassMark, ClassSection, LookAlike, ShownImage
from fieldmark.tools.learned.class_means import ClassMeans
from fieldmark.tools.learned.exemplars import exemplars
from fieldmark.tools.learned.student import Lesson
from fieldmark.tools.scoring.field_guide import FieldGuide

LOOK_ALIKES = 2
"""Classes that a class is set apart from."""
MOST_MARKS = 16
"""Marks of a class."""
MOST_APART = 4
"""Marks that set two classes apart."""
LEAST_SURE = 0.5
"""A value that is less likely than this is not written down."""
SHOWN = 2
"""Pictures of a class, beside the one that is easily taken for another class."""


def look_alikes(vectors: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The classes that each class is likest to, the likest first.

    Args:
        vectors: Unit vectors of labelled pictures [N, D].
        labels: Their classes [N] int64; each class has at least one.
        classes: C.

    Returns:
        [C, min(LOOK_ALIKES, C - 1)] int64, by the cosine of class means less the mean of all.
    """
    means = _means(vectors, labels, classes)
    means = torch.nn.functional.normalize(means - means.mean(0), dim=1)
    alike = (means @ means.T).fill_diagonal_(-torch.inf)
    return alike.topk(min(LOOK_ALIKES, classes - 1), dim=1).indices


def sections_of(
    guide: FieldGuide, q: Tensor, vectors: Tensor, labels: Tensor, images: Sequence[ImageFile]
) -> tuple[ClassSection, ...]:
    """What is said of each class, in their order.

    Marks that the fewest classes share come first. What sets two classes apart are attributes in which their
    values differ, those first of which both are surest.

    Args:
        guide: What the language model said.
        q: How likely each class has each value, given that and the labelled pictures [C, T, V].
        vectors: Unit vectors of the labelled pictures [N, D].
        labels: Their classes [N] int64.
        images: The labelled pictures.
    """
    classes = guide.classes
    sure, best = q.max(-1) if q.numel() else (q.new_zeros(len(classes), 0), q.new_zeros(len(classes), 0))
    sure = sure * (guide.counts.sum(-1) > 0) if guide.counts.numel() else sure
    known = sure >= LEAST_SURE
    rivals = look_alikes(vectors, labels, len(classes))
    shown = _shown(vectors, labels, classes, images)

    def mark(c: int, t: int) -> ClassMark:
        v = int(best[c, t])
        said = float(guide.counts[c, t, v]) > 0
        return ClassMark(
            attribute=guide.attributes[t],
            value=guide.values[t][v],
            by="model" if said else "pictures",
            sure=round(float(sure[c, t]), 4),
        )

    def own_marks(c: int) -> tuple[ClassMark, ...]:
        own = [int(t) for t in known[c].nonzero()[:, 0]]
        shared = {t: int(((best[:, t] == best[c, t]) & known[:, t]).sum()) for t in own}
        own.sort(key=lambda t: (shared[t], -float(sure[c, t]), t))
        return tuple(mark(c, t) for t in own[:MOST_MARKS])

    def apart(c: int, other: int) -> LookAlike:
        both = known[c] & known[other] & (best[c] != best[other])
        order = sorted((-float(sure[c, t] * sure[other, t]), int(t)) for t in both.nonzero()[:, 0])
        rows = [
            (guide.attributes[t], guide.values[t][int(best[c, t])], guide.values[t][int(best[other, t])])
            for _, t in order[:MOST_APART]
        ]
        return LookAlike(other=classes[other], marks=tuple(rows))

    return tuple(
        ClassSection(
            class_name=name,
            marks=own_marks(c),
            look_alikes=tuple(apart(c, other) for other in rivals[c].tolist()),
            images=shown[c],
        )
        for c, name in enumerate(classes)
    )


def _shown(
    vectors: Tensor, labels: Tensor, classes: Sequence[str], images: Sequence[ImageFile]
) -> list[tuple[ShownImage, ...]]:
    """Pictures of each class: typical, unlike that one, and the one likest to another class.

    A picture is no part of its own class's mean when it is asked what it is like.
    """
    lesson = Lesson(vectors, one_hot(labels, len(classes)).float(), torch.ones(len(labels)))
    means = ClassMeans.of(lesson)
    chosen = exemplars(lesson, means, most=SHOWN)
    cosines = vectors @ torch.nn.functional.normalize(means.means, dim=1).T
    count = means.images[labels][:, None]
    left = (means.means[labels] * count - vectors) / (count - 1).clamp(min=1)
    own = (vectors * torch.nn.functional.normalize(left, dim=1)).sum(1)
    rival_cosine, rival = cosines.scatter(1, labels[:, None], -torch.inf).max(1)
    lead = own - rival_cosine
    found: list[tuple[ShownImage, ...]] = []
    for c, rows in enumerate(chosen):
        shown = [(row, "diverse" if place else "typical", "") for place, row in enumerate(rows)]
        others = [row for row in (labels == c).nonzero()[:, 0].tolist() if row not in rows]
        if others:
            worst = min(others, key=lambda row: float(lead[row]))
            if float(lead[worst]) < float(lead[rows].mean()):
                shown.append((worst, "contrary", classes[int(rival[worst])]))
        found.append(
            tuple(
                ShownImage(
                    image=str(images[row].path),
                    image_hash=images[row].content_hash,
                    why=why,  # pyright: ignore[reportArgumentType]
                    other=other,
                )
                for row, why, other in shown
            )
        )
    return found


def _means(vectors: Tensor, labels: Tensor, classes: int) -> Tensor:
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return torch.zeros(classes, vectors.shape[1]).index_add_(0, labels, vectors) / counts[:, None]
