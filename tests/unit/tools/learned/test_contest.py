"""What a pool teaches: the student, who wins, temperature, and what is too far from every class."""

import pytest
import torch

from fieldmark.tools.learned.class_means import ClassMeans
from fieldmark.tools.learned.contest import GUIDE, STUDENT, calibrated, learn
from fieldmark.tools.learned.exemplars import exemplars
from fieldmark.tools.learned.student import Lesson, fit_students
from fieldmark.tools.scoring.inductive import InductiveGuide

CLASSES, WIDTH, EACH = 4, 24, 30


def unit(vectors):
    return torch.nn.functional.normalize(vectors, dim=-1)


CENTRES = unit(torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(1)))


def drawn(seed, *, noise=0.15, each=EACH):
    """Images around their class's centre, and their classes."""
    label = torch.arange(CLASSES).repeat_interleave(each)
    apart = torch.randn(len(label), WIDTH, generator=torch.Generator().manual_seed(seed))
    return unit(CENTRES[label] + noise * apart), label


def lesson(seed=2, *, sure=0.9, weight=None, **given):
    vectors, label = drawn(seed, **given)
    rest = (1 - sure) / (CLASSES - 1)
    target = torch.full((len(label), CLASSES), rest).scatter(1, label[:, None], sure)
    return Lesson(vectors, target, torch.full((len(label),), sure) if weight is None else weight)


def names_guide(names):
    def guide(reference):
        return InductiveGuide(
            torch.zeros(0, 0, WIDTH), torch.zeros(CLASSES, 0, 0), names, reference, scale=20.0
        )

    return guide


def right(scores, label):
    return float((scores.argmax(1) == label).float().mean())


def test_a_student_learns_what_the_run_says_and_labels_new_images():
    vectors, label = drawn(3)
    loose, tight = fit_students(lesson(), (100.0, 0.001))
    assert right(tight.scores(vectors), label) > 0.95
    assert (
        tight.scores(vectors).softmax(1).max(1).values.mean()
        > loose.scores(vectors).softmax(1).max(1).values.mean()
    )


def test_images_that_do_not_count_teach_nothing():
    pool = lesson()
    wrong = pool.vectors + 0.5
    more = Lesson(
        torch.cat([pool.vectors, wrong]),
        torch.cat([pool.target, pool.target.roll(1, 1)]),
        torch.cat([pool.weight, torch.zeros(len(wrong))]),
    )
    alone, beside = fit_students(pool, (0.01,))[0], fit_students(more, (0.01,))[0]
    assert torch.allclose(alone.scores(pool.vectors), beside.scores(pool.vectors), atol=1e-2)
    assert torch.equal(ClassMeans.of(pool).images, ClassMeans.of(more).images)


def test_the_better_one_on_held_out_images_is_the_default():
    bad = unit(torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(9)))
    found = learn(lesson(), names_guide(bad), reject=0.02)
    assert found.best == STUDENT
    assert found.contenders[STUDENT].agreement > 0.9 > found.contenders[GUIDE].agreement
    few = learn(lesson(each=2, noise=0.35), names_guide(CENTRES), reject=0.02)
    assert few.best == GUIDE


def test_temperature_brings_probabilities_to_those_of_the_run():
    pool = lesson(sure=0.7)
    scores = 50 * torch.nn.functional.one_hot(pool.target.argmax(1), CLASSES).float()
    temperature, _ = calibrated(scores, pool)
    assert float((scores / temperature).softmax(1).max(1).values.mean()) == pytest.approx(0.7, abs=0.02)


def test_images_unlike_every_class_are_farther_than_the_share_that_may_be_rejected():
    found = learn(lesson(), names_guide(CENTRES), reject=0.1)
    vectors, _ = drawn(4)
    strange = unit(torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(5)))
    assert found.farthest is not None
    assert float((found.means.distance(vectors) > found.farthest).float().mean()) < 0.25
    assert float((found.means.distance(strange) > found.farthest).float().mean()) > 0.9
    assert learn(lesson(), names_guide(CENTRES), reject=0.0).farthest is None


def test_exemplars_are_typical_first_then_diverse_and_only_of_images_that_count():
    pool = lesson()
    pool.weight[:EACH] = 0.0
    means = ClassMeans.of(pool)
    chosen = exemplars(pool, means)
    assert chosen[0] == []
    for c in range(1, CLASSES):
        assert len(set(chosen[c])) == 3
        assert all(c * EACH <= row < (c + 1) * EACH for row in chosen[c])
        kept = pool.vectors[chosen[c]] @ means.means[c]
        assert kept.argmax() == 0
    assert means.known.tolist() == [False, True, True, True]
