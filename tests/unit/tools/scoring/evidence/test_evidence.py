"""Evidence with reliability, on made-up pools whose truth is known."""

import pytest
import torch

from fieldmark.tools.scoring.evidence.combine import combine
from fieldmark.tools.scoring.evidence.explain import explain
from fieldmark.tools.scoring.evidence.groups import grouped
from fieldmark.tools.scoring.evidence.likeness import Likeness
from fieldmark.tools.scoring.evidence.names import NameView, name_evidence
from fieldmark.tools.scoring.evidence.votes import scale_for, votes_accuracy
from tests.unit.tools.scoring.evidence.made_up_pool import ATTRIBUTES, CLASSES, IMAGES, Pool, made_up

SEEDS = (11, 12, 13)


def weighed(pool: Pool):
    return combine(pool.vectors, [NameView(pool.names)], pool.votes, attributes=ATTRIBUTES)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_known_name_is_recognised_and_an_unknown_one_is_not(seed: int) -> None:
    known, unknown = made_up(seed=seed), made_up(seed=seed, known=0.0)
    half = torch.arange(CLASSES) < CLASSES // 2
    mixed = torch.where(half, known.names, unknown.names)
    found = name_evidence([NameView(mixed)], Likeness(known.vectors, classes=CLASSES))
    assert float(found.known[half].min()) > 0.9
    assert float(found.known[~half].mean()) < 0.3


@pytest.mark.parametrize("seed", SEEDS)
def test_texts_that_labels_chose_compare_as_they_are_however_few_images_a_class_has(seed: int) -> None:
    pool = made_up(seed=seed)
    few = torch.arange(IMAGES * CLASSES) % IMAGES < torch.arange(CLASSES).repeat_interleave(IMAGES) % 4 + 1
    names, vectors, truth = pool.names[few], pool.vectors[few], pool.truth[few]
    likeness = Likeness(vectors, classes=CLASSES)
    chosen = name_evidence([NameView(names, chosen=True)], likeness)
    rule = name_evidence([NameView(names)], likeness)
    assert torch.equal(chosen.log_odds.argmax(1), names.argmax(1))
    assert torch.equal(chosen.known, rule.known)
    right = [float((each.argmax(1) == truth).float().mean()) for each in (chosen.log_odds, rule.log_odds)]
    assert right[0] >= right[1]
    spread = [(each - each.mean(1, keepdim=True)).std() for each in (chosen.log_odds, rule.log_odds)]
    assert float(spread[0]) == pytest.approx(float(spread[1]), rel=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("known", "seen", "mistakes"), [(1.0, 0.2, 0.5), (0.0, 1.0, 0.1), (0.4, 0.6, 0.3)])
def test_no_view_drags_the_others_down(seed: int, known: float, seen: float, mistakes: float) -> None:
    pool = made_up(seed=seed, known=known, seen=seen, mistakes=mistakes)
    best = max(pool.top1(pool.names), pool.top1(pool.votes(None, None)))
    assert pool.top1(weighed(pool).log_p) >= best - 0.02


def test_the_accuracy_of_votes_is_estimated_with_caution_and_in_the_right_order() -> None:
    guesses: list[float] = []
    for mistakes, seen in ((0.1, 1.0), (0.3, 0.5), (0.5, 0.3)):
        pools = [made_up(seed=seed, seen=seen, mistakes=mistakes) for seed in SEEDS]
        guess = [
            votes_accuracy(lambda which, p=pool: p.votes(which, None), attributes=ATTRIBUTES, classes=CLASSES)
            for pool in pools
        ]
        truth = [pool.top1(pool.votes(None, None)) for pool in pools]
        guesses.append(sum(guess) / len(pools))
        assert -0.25 < guesses[-1] - sum(truth) / len(pools) < 0.08
    assert guesses == sorted(guesses, reverse=True)


def test_one_attribute_cannot_be_halved_and_says_chance() -> None:
    assert votes_accuracy(lambda which: torch.zeros(4, 5), attributes=1, classes=5) == pytest.approx(0.2)


def test_the_scale_gives_the_mean_confidence_that_was_asked_for() -> None:
    scores = torch.randn(300, 7, generator=torch.Generator().manual_seed(0))
    for wanted in (0.3, 0.6, 0.9):
        found = scale_for(scores, wanted) * scores
        assert float(found.softmax(1).max(1).values.mean()) == pytest.approx(wanted, abs=1e-3)


def test_images_that_lie_together_are_grouped_though_each_alone_is_doubtful() -> None:
    pool = made_up(seed=11)
    hint = 0.6 * torch.nn.functional.one_hot(pool.truth, CLASSES) + 0.8 * torch.randn(
        CLASSES * IMAGES, CLASSES, generator=torch.Generator().manual_seed(1)
    )
    groups = grouped(pool.vectors, hint)
    assert torch.allclose(groups.shares.sum(1), torch.ones(len(pool.truth)), atol=1e-5)
    assert pool.top1(groups.shares) > pool.top1(hint) + 0.3


@pytest.mark.parametrize("seed", SEEDS)
def test_contributions_sum_to_the_log_odds_against_the_runner_up(seed: int) -> None:
    pool = made_up(seed=seed, known=0.4, seen=0.6, mistakes=0.3)
    evidence = weighed(pool)
    found = explain(evidence, pool.steered, torch.ones_like(evidence.log_p, dtype=torch.bool))
    pair = torch.stack([found.label, found.runner_up], 1)
    odds = evidence.log_p.gather(1, pair)
    assert torch.equal(found.label, evidence.log_p.argmax(1))
    assert found.contributions.shape == (len(pool.truth), ATTRIBUTES + 1)
    assert torch.allclose(found.contributions.sum(1), odds[:, 0] - odds[:, 1], atol=1e-3)
    assert torch.allclose(found.margin.float(), found.contributions.sum(1), atol=1e-5)


def test_names_alone_need_no_votes() -> None:
    pool = made_up(seed=11)
    evidence = combine(pool.vectors, [NameView(pool.names)])
    found = explain(evidence, None, torch.ones_like(evidence.log_p, dtype=torch.bool))
    assert evidence.votes is None
    assert evidence.votes_accuracy is None
    assert pool.top1(evidence.log_p) > 0.98
    assert found.contributions.shape == (len(pool.truth), 1)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_pool_of_very_few_images_is_scored_all_the_same(count: int) -> None:
    pool = made_up(seed=11)
    few = Pool(
        pool.vectors[:count], pool.names[:count], pool.cosines[:count], pool.counts, pool.truth[:count]
    )
    evidence = weighed(few)
    assert evidence.log_p.shape == (count, CLASSES)
    assert bool(torch.isfinite(evidence.log_p).all())
    assert bool((evidence.sureness.confidence <= 1).all())


def test_votes_on_what_nobody_sees_resolve_nothing() -> None:
    pool = made_up(seed=11, known=0.0, seen=0.0, mistakes=0.3)
    assert float((weighed(pool).sureness.certainty > 0.95).float().mean()) == 0.0


def test_a_reference_says_how_names_score_where_the_pool_holds_few_classes() -> None:
    pool = made_up(seed=11)
    present = pool.truth < 2
    right: list[float] = []
    for reference in (None, pool.names):
        view = NameView(pool.names[present], reference)
        label = combine(pool.vectors[present], [view]).log_p.argmax(1)
        right.append(float((label == pool.truth[present]).float().mean()))
    assert right[1] > right[0] + 0.3


def test_an_image_of_a_small_group_is_judged_by_its_own_evidence() -> None:
    pool = made_up(seed=11)
    few = torch.arange(len(pool.truth)) % IMAGES < 3
    small = Pool(pool.vectors[few], pool.names[few], pool.cosines[few], pool.counts, pool.truth[few])
    assert float(weighed(small).own.mean()) > 2 * float(weighed(pool).own.mean())
