"""A few labels on top of the evidence, on made-up pools whose truth is known."""

import pytest
import torch

from fieldmark.tools.scoring.evidence.ask import worth_asking
from fieldmark.tools.scoring.evidence.combine import Evidence, combine
from fieldmark.tools.scoring.evidence.explain import explain
from fieldmark.tools.scoring.evidence.labels import CANNOT_TELL, NONE_OF_THESE, with_labels
from fieldmark.tools.scoring.evidence.names import NameView
from tests.unit.tools.scoring.evidence.made_up_pool import ATTRIBUTES, CLASSES, IMAGES, Pool, made_up

SEEDS = (11, 12, 13)
NOBODY = torch.zeros(CLASSES * IMAGES, dtype=torch.bool)


def hard(seed: int) -> Pool:
    return made_up(seed=seed, known=0.2, seen=0.3, mistakes=0.4)


def weighed(pool: Pool) -> Evidence:
    return combine(pool.vectors, [NameView(pool.names)], pool.votes, attributes=ATTRIBUTES)


def labelled(pool: Pool, count: int) -> tuple[Evidence, torch.Tensor]:
    """The evidence with labels of the images that are worth asking about, and which these are."""
    evidence = weighed(pool)
    rows, _ = worth_asking(evidence, count, NOBODY)
    return with_labels(evidence, pool.vectors, rows, pool.truth[rows]), rows


def right(pool: Pool, evidence: Evidence, rows: torch.Tensor) -> float:
    """Top-1 of the images that were not labelled."""
    others = NOBODY.index_fill(0, rows, value=True).logical_not()
    return float((evidence.log_p.argmax(1) == pool.truth)[others].float().mean())


def test_asked_labels_correct_images_that_were_not_labelled() -> None:
    gains: list[float] = []
    for seed in SEEDS:
        pool = hard(seed)
        after, rows = labelled(pool, 12)
        gains.append(right(pool, after, rows) - right(pool, weighed(pool), rows))
    assert min(gains) >= 0
    assert sum(gains) / len(gains) > 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_labelled_image_has_its_label_and_the_parts_still_sum_to_the_margin(seed: int) -> None:
    pool = hard(seed)
    evidence, rows = labelled(pool, 12)
    assert torch.equal(evidence.log_p.argmax(1)[rows], pool.truth[rows])
    assert float(evidence.sureness.confidence[rows].min()) > 0.999
    found = explain(evidence, pool.steered, torch.ones_like(evidence.log_p, dtype=torch.bool))
    pair = torch.stack([found.label, found.runner_up], 1)
    odds = evidence.log_p.gather(1, pair)
    assert found.contributions.shape == (len(pool.truth), ATTRIBUTES + 2)
    assert torch.allclose(found.contributions.sum(1), odds[:, 0] - odds[:, 1], atol=1e-3)


def test_labels_weigh_the_view_that_they_agree_with() -> None:
    pool = made_up(seed=11, known=0.0, seen=1.0, mistakes=0.1)
    evidence = weighed(pool)
    rows = torch.arange(0, len(pool.truth), 4)
    after = with_labels(evidence, pool.vectors, rows, pool.truth[rows])
    assert after.votes_weight > evidence.votes_weight
    names = after.names.log_odds.abs().sum() / evidence.names.log_odds.abs().sum()
    assert float(names) < 1


def test_wrong_labels_make_the_answer_less_sure() -> None:
    pool = made_up(seed=11)
    evidence = weighed(pool)
    rows = torch.arange(0, len(pool.truth), 6)
    after = with_labels(evidence, pool.vectors, rows, (pool.truth[rows] + 1) % CLASSES)
    assert after.temperature > 1.2
    assert with_labels(evidence, pool.vectors, rows, pool.truth[rows]).temperature <= 1


def test_labels_without_a_class_change_nothing() -> None:
    evidence = weighed(hard(11))
    pool = hard(11)
    same = with_labels(
        evidence, pool.vectors, torch.tensor([3, 5]), torch.tensor([NONE_OF_THESE, CANNOT_TELL])
    )
    assert same is evidence


def test_asked_are_distinct_images_that_were_not_labelled_one_of_each_unsure_group_first() -> None:
    pool = hard(11)
    evidence = weighed(pool)
    rows, of_groups = worth_asking(evidence, 20, NOBODY)
    assert len(set(rows.tolist())) == len(rows) == 20
    assert int(of_groups[:8].sum()) == 8
    assert len(set(evidence.groups.shares[rows[:8]].argmax(1).tolist())) == 8
    known = NOBODY.index_fill(0, rows, value=True)
    again, _ = worth_asking(evidence, 20, known)
    assert not set(again.tolist()) & set(rows.tolist())
    assert worth_asking(evidence, 20, ~NOBODY)[0].tolist() == []
