"""ZPE, CARPRT and the plain mean over one pool of templates."""

import pytest
import torch

from fieldmark.evals.methods.shared.template_pool import ASIDES, pool_of
from fieldmark.evals.methods.zpe import THRESHOLD
from fieldmark.tools.books.templates import IMAGENET_80
from tests.unit.evals.methods.made_up_bench import Benches, scored_by, scores_by


def test_the_pool_holds_good_and_bad_templates_once_each(make_bench: Benches) -> None:
    rows = pool_of(make_bench())
    assert all(len(row) == 6 for row in rows)
    templates = [row[0].replace("finch", "{}") for row in rows]
    assert len(set(templates)) == len(templates)
    assert {"a {}, a bird.", "a bird photo of a {}.", "a floor plan of a {}.", *IMAGENET_80} <= set(templates)
    assert len(ASIDES) == 60 and templates[-60:] == list(ASIDES)
    assert len(templates) < 200


def logits(make_bench: Benches) -> torch.Tensor:
    """Of every image, template and class [N, P, C]."""
    bench = make_bench()
    vectors = torch.stack([bench.encoder.encode_texts(row) for row in pool_of(bench)])
    return 20.0 * torch.einsum("nd,pcd->npc", bench.vectors, vectors)


def test_the_mean_counts_all_templates_alike(make_bench: Benches) -> None:
    assert torch.allclose(scores_by("pool-mean", make_bench()), logits(make_bench).mean(1), atol=1e-4)


def test_zpe_weighs_by_the_likeliest_class_once_biases_are_out(make_bench: Benches) -> None:
    every = logits(make_bench)
    weights = (every - every.mean(0)).max(2).values.mean(0).softmax(0)
    found = scores_by("zpe", make_bench())
    assert torch.allclose(found, (every * weights[:, None]).sum(1), atol=1e-4)


def test_zpe_select_leaves_out_what_does_not_stand_out(make_bench: Benches) -> None:
    every = logits(make_bench)
    scores = (every - every.mean(0)).max(2).values.mean(0).double()
    above = scores - scores.quantile(0.5)
    kept = above / above.abs().quantile(0.5) > THRESHOLD
    assert 5 < int(kept.sum()) < len(scores) / 2
    weights = scores[kept].softmax(0).float()
    found = scores_by("zpe-select", make_bench())
    assert torch.allclose(found, (every[:, kept] * weights[:, None]).sum(1), atol=1e-4)


def test_carprt_weighs_for_each_class_by_the_images_taken_for_it(make_bench: Benches) -> None:
    every = logits(make_bench)
    best, winner = every.max(2)
    table = torch.zeros(every.shape[1:])
    for template in range(every.shape[1]):
        for column in range(6):
            own = best[winner[:, template] == column, template]
            table[template, column] = own.mean() if len(own) else 0.0
    found = scores_by("carprt", make_bench())
    assert torch.allclose(found, (every * table.softmax(0)).sum(1), atol=1e-3)


def test_the_weight_of_bad_templates_is_told(make_bench: Benches) -> None:
    told = {
        key: scored_by(key, make_bench(llm=None)).diagnostics["bad_templates"]
        for key in ("pool-mean", "zpe", "zpe-select", "carprt")
    }
    assert told["pool-mean"] == pytest.approx(60 / len(pool_of(make_bench())))
    every = logits(make_bench)
    weights = (every - every.mean(0)).max(2).values.mean(0).softmax(0)
    assert told["zpe"] == pytest.approx(float(weights[-60:].sum()), abs=1e-4)
    assert all(0 <= share <= 1 for share in told.values())
