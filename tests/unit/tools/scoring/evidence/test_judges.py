"""Labelled images that taught nothing: they weigh views and set the temperature, on made-up pools."""

from dataclasses import replace

import pytest
import torch

from fieldmark.tools.scoring.evidence.combine import Evidence, combine
from fieldmark.tools.scoring.evidence.judges import Judges, judged_temperature, judged_weights
from fieldmark.tools.scoring.evidence.labels import with_labels
from fieldmark.tools.scoring.evidence.names import NameView
from tests.unit.tools.scoring.evidence.made_up_pool import ATTRIBUTES, CLASSES, Pool, made_up

NONE = torch.zeros(0, dtype=torch.int64)


def flattered(seed: int, *, known: float = 0.3) -> tuple[Pool, Evidence, torch.Tensor, Judges]:
    """A pool whose prompts are right on the images that chose them [n], and on others as `known` says."""
    pool = made_up(seed=seed, known=known, seen=0.6, mistakes=0.2)
    chose = torch.arange(0, len(pool.truth), 5)
    pool.names[chose, pool.truth[chose]] = pool.names[chose].max(1).values + 0.02
    evidence = combine(pool.vectors, [NameView(pool.names, chosen=True)], pool.votes, attributes=ATTRIBUTES)
    rows = torch.arange(2, len(pool.truth), 10)
    return pool, evidence, chose, Judges(rows, pool.truth[rows])


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_judges_are_not_taken_in_by_prompts_that_are_right_on_what_chose_them(seed: int) -> None:
    spread: list[float] = []
    for known in (0.2, 1.5):
        pool, evidence, chose, judges = flattered(seed, known=known)
        assert bool((evidence.names.log_odds.argmax(1) == pool.truth)[chose].all())
        found = with_labels(evidence, pool.vectors, chose, pool.truth[chose], prior=4.0, judges=judges)
        spread.append(float(found.names.log_odds.std()))
        without = with_labels(evidence, pool.vectors, chose, pool.truth[chose], prior=4.0)
        others = torch.ones(len(pool.truth), dtype=torch.bool).index_fill(0, chose, value=False)
        right = [
            float((each.log_p.argmax(1) == pool.truth)[others].float().mean()) for each in (found, without)
        ]
        assert right[0] >= right[1] - 0.01
    assert spread[1] > 3 * spread[0]


def test_judges_say_nothing_of_their_own_class() -> None:
    pool, evidence, chose, judges = flattered(11)
    told = with_labels(evidence, pool.vectors, chose, pool.truth[chose], judges=judges)
    assert told.told is not None
    assert float(told.told[judges.rows].sum()) == 0
    wrong = replace(judges, truth=(judges.truth + 1) % CLASSES)
    doubted = with_labels(evidence, pool.vectors, chose, pool.truth[chose], judges=wrong)
    assert not torch.equal(doubted.log_p.argmax(1)[judges.rows], wrong.truth)
    assert doubted.temperature > 2 > told.temperature


def test_confidence_is_what_judges_make_of_it() -> None:
    pool, evidence, chose, judges = flattered(12)
    found = with_labels(evidence, pool.vectors, chose, pool.truth[chose], judges=judges)
    assert torch.equal(found.sureness.confidence, found.log_p.exp().max(1).values)
    assert found.temperature == pytest.approx(judged_temperature(replace(found, temperature=1.0), judges))


def test_judges_do_without_images_that_chose_the_prompts_and_without_votes() -> None:
    pool, evidence, _, judges = flattered(13)
    found = with_labels(evidence, pool.vectors, NONE, NONE, judges=judges)
    assert found.judged
    names = combine(pool.vectors, [NameView(pool.names, chosen=True)])
    assert judged_weights(names, NONE, NONE, judges).shape == (1,)
