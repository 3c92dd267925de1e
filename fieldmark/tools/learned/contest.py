"""Student and field guide compete on images that they were not made from, which set thresholds, too."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from fieldmark.records import Record
from fieldmark.tools.learned.aspect_heads import AspectTrial, LearnedAspects, fit_chosen, try_aspects
from fieldmark.tools.learned.aspects import AspectLesson
from fieldmark.tools.learned.class_means import ClassMeans
from fieldmark.tools.learned.nearness import calibrated
from fieldmark.tools.learned.student import DECAYS, Lesson, LinearStudent, fit_students
from fieldmark.tools.scoring.inductive import InductiveGuide

Way = Literal["student", "guide"]
"""A way of scoring."""
STUDENT: Way = "student"
GUIDE: Way = "guide"
MOST_COMPETING = 6_000
"""The most images that students are cross-fitted on; of a larger pool so many are drawn,
those that were looked at for aspects first."""
MOST_REFERENCE = 1_000
"""The most images of the pool that the field guide's scores are centred by."""


class HeldOutResult(Record):
    """How a way of scoring did on images of the pool that it was not made from."""

    agreement: float = Field(ge=0, le=1)
    """Share of images whose label is the run's, each weighing by how sure the run is."""
    temperature: float = Field(gt=0)
    """What its scores are divided by, so that its probabilities are nearest to the run's."""


@dataclass(frozen=True)
class Learned:
    """All that comes of a pool.

    Attributes:
        student: Fitted on the whole pool.
        decay: Its penalty, chosen by cross-fitting.
        guide: The field guide, centred by the pool.
        means: Mean vector of each class.
        contenders: How "student" and "guide" did.
        best: The better of them.
        farthest: Distance to the nearest mean from which an image is of no class; None rejects none.
        aspects: The student's aspects; None without any.
    """

    student: LinearStudent
    decay: float
    guide: InductiveGuide
    means: ClassMeans
    contenders: Mapping[Way, HeldOutResult]
    best: Way
    farthest: float | None
    aspects: LearnedAspects | None = None


def learn(
    lesson: Lesson,
    guide: Callable[[Tensor], InductiveGuide],
    *,
    reject: float,
    aspects: AspectLesson | None = None,
) -> Learned:
    """Fit a student, and find out whether it or the field guide does better on images that it did not see.

    The pool is halved twice over, class by class; each half is labelled by what the other one makes. The
    student's decay is the one whose probabilities on the other half are nearest to the run's. What aspects
    weigh is chosen in the same way, see `try_aspects`.

    Args:
        lesson: The pool, by a run.
        guide: The field guide, centred by image vectors [R, D].
        reject: Share of the run's own images of listed classes that may be rejected.
        aspects: What an annotator saw of aspects in the same images; None without any.
    """
    looked_at = None if aspects is None else aspects.known.sum(1) > 0
    rows = _drawn(lesson, MOST_COMPETING, looked_at)
    pool = lesson.rows(rows)
    half = _halves(pool)
    students = pool.target.new_zeros(len(DECAYS), *pool.target.shape)
    guided = torch.zeros_like(pool.target)
    distance = torch.zeros_like(pool.weight)
    for fold in (0, 1):
        own, other = (half == fold).nonzero()[:, 0], (half != fold).nonzero()[:, 0]
        train = pool.rows(other)
        for place, student in enumerate(fit_students(train)):
            students[place, own] = student.scores(pool.vectors[own])
        guided[own] = guide(_reference(train.vectors)).scores(pool.vectors[own])
        distance[own] = ClassMeans.of(train).distance(pool.vectors[own])
    tuned = [calibrated(scores, pool) for scores in students]
    chosen = min(range(len(DECAYS)), key=lambda place: tuned[place][1])
    trial: AspectTrial | None = None
    scores, temperature = students[chosen], tuned[chosen][0]
    if aspects is not None and aspects.aspects:
        trial = try_aspects(pool, aspects.rows(rows), half, scores, decay=DECAYS[chosen])
        scores, temperature = trial.scores, calibrated(trial.scores, pool)[0]
    contenders: dict[Way, HeldOutResult] = {
        STUDENT: HeldOutResult(agreement=_agreement(scores, pool), temperature=temperature),
        GUIDE: HeldOutResult(agreement=_agreement(guided, pool), temperature=calibrated(guided, pool)[0]),
    }
    listed = distance[pool.weight > 0]
    student = fit_students(lesson, DECAYS[: chosen + 1])[-1]
    learned_aspects: LearnedAspects | None = None
    if trial is not None and aspects is not None:
        student, learned_aspects = fit_chosen(lesson, aspects, trial, student, decay=DECAYS[chosen])
    return Learned(
        student=student,
        decay=DECAYS[chosen],
        guide=guide(_reference(lesson.vectors)),
        means=ClassMeans.of(lesson),
        contenders=contenders,
        best=max(contenders, key=lambda way: contenders[way].agreement),
        farthest=float(listed.quantile(1 - reject)) if reject > 0 and len(listed) else None,
        aspects=learned_aspects,
    )


def _agreement(scores: Tensor, lesson: Lesson) -> float:
    same = (scores.argmax(1) == lesson.target.argmax(1)).to(torch.float32)
    return min(1.0, float((lesson.weight * same).sum() / lesson.weight.sum().clamp(min=1e-9)))


def _drawn(lesson: Lesson, most: int, first: Tensor | None = None) -> Tensor:
    """Rows of at most so many images by chance, those of `first` [N] bool before all others."""
    order = torch.randperm(len(lesson.weight), generator=torch.Generator().manual_seed(0))
    if first is not None:
        order = torch.cat([order[first[order]], order[~first[order]]])
    return order[:most].sort().values


def _halves(lesson: Lesson) -> Tensor:
    """A half (0 or 1) for each image [N]: the images of each label by turns."""
    order = torch.randperm(len(lesson.weight), generator=torch.Generator().manual_seed(1))
    by_label = order[lesson.target.argmax(1)[order].argsort(stable=True)]
    half = torch.empty_like(by_label)
    half[by_label] = torch.arange(len(by_label)) % 2
    return half


def _reference(vectors: Tensor) -> Tensor:
    order = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(2))
    return vectors[order[:MOST_REFERENCE]]
