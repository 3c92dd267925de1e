"""How well the best listed class fits: on made-up pools from which classes were left off the list."""

import numpy as np
import pytest
import torch

from fieldmark.tools.scoring.evidence.combine import combine
from fieldmark.tools.scoring.evidence.fit import cut, fits, unlisted
from fieldmark.tools.scoring.evidence.names import NameView
from fieldmark.tools.statistics.agreement import auroc
from tests.unit.tools.scoring.evidence.made_up_pool import ATTRIBUTES, CLASSES, Pool, made_up

LISTED = CLASSES - 3


def shortened(pool: Pool) -> Pool:
    """The pool with its last three classes not among those that are listed."""
    return Pool(pool.vectors, pool.names[:, :LISTED], pool.cosines, pool.counts[:LISTED], pool.truth)


@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.parametrize("known", [1.0, 0.0])
def test_images_of_classes_that_are_not_listed_fit_worse(seed: int, known: float) -> None:
    pool = shortened(made_up(seed=seed, known=known, mistakes=0.0))
    evidence = combine(pool.vectors, [NameView(pool.names)], pool.votes, attributes=ATTRIBUTES)
    fit = fits(evidence, pool.steered, pool.vectors)
    out = (pool.truth >= LISTED).double().numpy()
    assert float(auroc(out, -fit.double().numpy(), np.ones((1, len(out))))[0]) > 0.7


def test_what_is_no_such_thing_at_all_fits_worst() -> None:
    pool = made_up(seed=11)
    thing = torch.nn.functional.normalize(-pool.vectors.mean(0, keepdim=True), dim=1).repeat(6, 1)
    vectors = torch.cat([pool.vectors, thing])
    names = torch.cat([pool.names, pool.names.min().repeat(6, CLASSES)])
    evidence = combine(vectors, [NameView(names)])
    fit = fits(evidence, None, vectors)
    assert float(fit[-6:].max()) < float(fit[:-6].min())


def test_the_cut_is_the_share_of_a_heavy_tailed_pool() -> None:
    fit = torch.distributions.StudentT(3.0).sample((200_000,)) / 0.7649
    for share in (0.02, 0.2):
        assert float((fit < cut(share)).float().mean()) == pytest.approx(share, rel=0.1)
    assert cut(0.0) == float("-inf")


def test_a_pool_of_listed_images_hides_few_others_and_one_with_many_shows_them() -> None:
    rng = torch.Generator().manual_seed(0)
    listed = torch.randn(900, generator=rng) * 1.2
    others = torch.randn(300, generator=rng) - 5
    alone, mixed = unlisted(listed), unlisted(torch.cat([listed, others]))
    assert float((alone > 0.5).float().mean()) < 0.02
    assert float((mixed[900:] > 0.5).float().mean()) > 0.9
    assert float((mixed[:900] > 0.5).float().mean()) < 0.05
    assert bool((alone.sort().values == alone[listed.argsort(descending=True)]).float().mean() > 0.9)


@pytest.mark.parametrize("count", [1, 3, 29])
def test_a_handful_of_images_says_nothing_of_who_fits(count: int) -> None:
    pool = made_up(seed=11)
    evidence = combine(pool.vectors[:count], [NameView(pool.names[:count])])
    fit = fits(evidence, None, pool.vectors[:count])
    assert fit.tolist() == [0.0] * count
    assert float(unlisted(fit).max()) < 0.05
