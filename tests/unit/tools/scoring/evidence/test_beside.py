"""Priors and images that share a label, on made-up pools whose truth is known."""

from dataclasses import replace

import pytest
import torch

from fieldmark.tools.scoring.evidence.beside import MOST_TRUST, together, trust, with_beside
from fieldmark.tools.scoring.evidence.bursts import Bursts, dependence
from fieldmark.tools.scoring.evidence.combine import Evidence, combine
from fieldmark.tools.scoring.evidence.explain import explain
from fieldmark.tools.scoring.evidence.labels import with_labels
from fieldmark.tools.scoring.evidence.names import NameView
from tests.unit.tools.scoring.evidence.made_up_pool import ATTRIBUTES, CLASSES, IMAGES, Pool, made_up

SEEDS = (11, 12, 13)
COUNT = CLASSES * IMAGES
TRIPLES = torch.arange(COUNT) // IMAGES * 7 + torch.arange(COUNT) % IMAGES // 3
"""Bursts of three within each class, the last of two."""


def hard(seed: int) -> tuple[Pool, Evidence]:
    pool = made_up(seed=seed, known=0.5, seen=0.2, mistakes=0.3)
    noise = torch.randn(pool.vectors.shape, generator=torch.Generator().manual_seed(seed))
    pool.vectors = torch.nn.functional.normalize(pool.vectors + 0.4 * noise, dim=1)
    return pool, combine(pool.vectors, [NameView(pool.names)], pool.votes, attributes=ATTRIBUTES)


def places(pool: Pool, seed: int) -> torch.Tensor:
    """A prior: three places of four classes each; 80% of a class's images are in its own."""
    rng = torch.Generator().manual_seed(seed)
    place = torch.where(
        torch.rand(COUNT, generator=rng) < 0.8, pool.truth // 4, torch.randint(3, (COUNT,), generator=rng)
    )
    own = (torch.arange(CLASSES) // 4 == place[:, None]).float()
    return (0.8 * own + 0.2 / 3) / (0.8 * 4 + 0.2 * 4)


def shuffled(values: torch.Tensor, seed: int) -> torch.Tensor:
    return values[torch.randperm(len(values), generator=torch.Generator().manual_seed(seed))]


def test_a_prior_helps_and_one_of_other_images_loses_its_say() -> None:
    helped, harmed = [], []
    for seed in SEEDS:
        pool, alone = hard(seed)
        prior = places(pool, seed)
        told = with_beside(alone, pool.vectors, prior=prior)
        wrong = with_beside(alone, pool.vectors, prior=shuffled(prior, seed))
        assert told.prior_trust is not None and told.prior_trust > 0.8
        assert wrong.prior_trust is not None and wrong.prior_trust < 0.2
        helped.append(pool.top1(told.log_p) - pool.top1(alone.log_p))
        harmed.append(pool.top1(wrong.log_p) - pool.top1(alone.log_p))
    assert min(helped) > 0.03
    assert min(harmed) > -0.03


def test_a_prior_that_knows_nothing_changes_nothing() -> None:
    pool, alone = hard(11)
    told = with_beside(alone, pool.vectors, prior=torch.full((COUNT, CLASSES), 1 / CLASSES))
    assert torch.allclose(told.log_p, alone.log_p, atol=1e-4)


def test_no_class_is_ruled_out_by_a_prior_and_nothing_seen_leaves_it_its_say() -> None:
    alike = torch.full((40, 4), 0.25)
    prior = torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(40, 4)
    assert 0.7 < trust(alike, prior) < MOST_TRUST
    assert trust(prior * 0.9 + 0.025, prior) > 0.9
    assert trust(torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(40, 4), prior) < 0.1


def test_bursts_share_a_label_and_help_and_random_ones_are_not_used() -> None:
    gains = []
    for seed in SEEDS:
        pool, alone = hard(seed)
        found = with_beside(alone, pool.vectors, number=TRIPLES)
        assert found.bursts is not None
        same = found.bursts.mean(found.log_p.argmax(1).double())
        assert torch.equal(same, found.log_p.argmax(1).double())
        assert torch.allclose(found.bursts.mean(found.log_p), found.log_p, atol=1e-4)
        gains.append(pool.top1(found.log_p) - pool.top1(alone.log_p))
        wrong = with_beside(alone, pool.vectors, number=shuffled(TRIPLES, seed))
        assert wrong.bursts is None
        assert torch.equal(wrong.log_p, alone.log_p)
    assert min(gains) > 0 and sum(gains) / len(gains) > 0.02


def test_a_burst_that_contradicts_itself_is_taken_apart() -> None:
    sure = torch.nn.functional.one_hot(torch.tensor([0, 0, 1, 1, 2, 2, 0, 3]), 4) * 0.98 + 0.005
    share, number = together(sure, torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]))
    assert share > 0.5
    assert number.bincount().tolist() == [2, 2, 2, 1, 1]
    assert len(number[:6].unique()) == 3


def test_images_that_were_taken_apart_are_counted() -> None:
    pool = made_up(seed=11)
    alone = combine(pool.vectors, [NameView(pool.names)], pool.votes, attributes=ATTRIBUTES)
    number = TRIPLES.clone()
    number[0], number[5 * IMAGES] = number[5 * IMAGES].clone(), number[0].clone()
    told = with_beside(alone, pool.vectors, number=number).bursts
    assert told is not None
    assert told.apart == 6, "both bursts with a stranger"
    whole = with_beside(alone, pool.vectors, number=TRIPLES).bursts
    assert whole is not None and whole.apart == 0


@pytest.mark.parametrize(("shared", "least", "most"), [(0.0, 0.0, 0.2), (0.5, 0.4, 0.8), (1.0, 0.99, 1.0)])
def test_dependence_is_what_pictures_of_a_burst_do_not_scatter_in(
    shared: float, least: float, most: float
) -> None:
    """Evidence that is calibrated for one image, of which a share is drawn once a burst."""
    rng = torch.Generator().manual_seed(5)
    number = torch.arange(900) // 3
    noise = shared**0.5 * torch.randn(300, 1, generator=rng)[number]
    noise = noise + (1 - shared) ** 0.5 * torch.randn(900, 1, generator=rng)
    margin = 8 + 4 * noise  # variance 16 = 2 · mean
    evidence = torch.cat([margin, torch.zeros_like(margin)], dim=1)
    assert least <= dependence(evidence, number) <= most


def test_a_burst_of_copies_counts_as_one_image_and_a_new_one_in_full() -> None:
    number = torch.tensor([0, 0, 0, 1])
    values = torch.tensor([[1.0], [2.0], [3.0], [5.0]])
    assert Bursts(number, 1.0).added(values)[:, 0].tolist() == [2, 2, 2, 5]
    assert Bursts(number, 0.0).added(values)[:, 0].tolist() == [6, 6, 6, 5]


@pytest.mark.parametrize("labels", [False, True])
def test_contributions_name_the_prior_and_sum_to_the_margin(labels: bool) -> None:
    pool, alone = hard(12)
    evidence = with_beside(alone, pool.vectors, prior=places(pool, 12), number=TRIPLES)
    if labels:
        rows = torch.arange(0, COUNT, 30)
        evidence = with_labels(evidence, pool.vectors, rows, pool.truth[rows])
        assert torch.equal(evidence.log_p.argmax(1)[rows], pool.truth[rows])
    found = explain(evidence, pool.steered, torch.ones_like(evidence.log_p, dtype=torch.bool))
    assert found.others == ("name", "prior", *(("labels",) if labels else ()))
    odds = evidence.log_p.gather(1, torch.stack([found.label, found.runner_up], 1))
    assert torch.allclose(found.contributions.sum(1), odds[:, 0] - odds[:, 1], atol=1e-3)
    assert float(found.contributions[:, ATTRIBUTES + 1].abs().max()) > 0.5


def test_a_label_is_that_of_the_whole_burst_unless_people_contradict_each_other() -> None:
    bursts = Bursts(torch.tensor([0, 0, 0, 1, 1, 2]))
    rows, labels = bursts.spread(torch.tensor([1, 3, 4]), torch.tensor([7, 8, 9]))
    assert dict(zip(rows.tolist(), labels.tolist(), strict=True)) == {0: 7, 1: 7, 2: 7, 3: 8, 4: 9}


def test_nothing_known_is_the_evidence_of_before() -> None:
    pool, alone = hard(13)
    assert with_beside(alone, pool.vectors) is alone
    singles = with_beside(alone, pool.vectors, number=torch.arange(COUNT))
    assert torch.allclose(singles.log_p, alone.log_p, atol=1e-4)
    assert replace(alone, bursts=Bursts(torch.arange(COUNT))).by_views.equal(alone.by_views)
