"""ZPE's term for pretraining comes from the encoder's reference pool, and cannot do without one."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.template_pool import encode_grid, pool_of, weighed
from fieldmark.evals.methods.zpe import prompt_scores, prompt_weights
from tests.graph.world import FakeEncoder
from tests.unit.evals.methods.made_up_bench import WORLD, Benches, scores_by


def test_half_of_what_is_taken_off_comes_from_the_reference(make_bench: Benches) -> None:
    encoder = FakeEncoder(WORLD)
    width = encoder.encode_texts(["a finch"]).shape[1]
    pool = torch.nn.functional.normalize(
        torch.randn(9, width, generator=torch.Generator().manual_seed(0)), dim=1
    )
    encoder.reference = pool
    bench = make_bench(encoder=encoder)
    grid = encode_grid(pool_of(bench), bench.encode)
    found = prompt_scores(bench.vectors, grid, logit_scale=bench.logit_scale, pretrain_vectors=pool)
    wanted = weighed(bench, grid, prompt_weights(found)[:, None]).scores
    assert wanted is not None
    assert torch.equal(scores_by("zpe-reference", bench), wanted)
    assert not torch.allclose(scores_by("zpe", bench), wanted, atol=1e-4)


def test_without_a_reference_it_says_what_to_give(make_bench: Benches) -> None:
    with pytest.raises(InputError, match="Give a folder"):
        scores_by("zpe-reference", make_bench(encoder=FakeEncoder(WORLD)))
