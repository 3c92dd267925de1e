"""CHiLS: steps change nothing, classes without sub-classes are refused."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.chils import chils_scores
from fieldmark.tools.scoring import vectors

IMAGES = torch.nn.functional.normalize(torch.randn(13, 8, generator=torch.Generator().manual_seed(1)), dim=1)
CLASSES = [["ab"], ["c"]]


def encode(texts):
    rows = [torch.randn(8, generator=torch.Generator().manual_seed(sum(map(ord, text)))) for text in texts]
    return torch.stack(rows)


def test_steps_change_nothing(monkeypatch):
    subs = [[["a ab", "the ab"], ["a x ab", "the x ab"], ["a y ab", "the y ab"]], [["a c", "the c"]]]
    whole = chils_scores(IMAGES, encode, CLASSES, subs, logit_scale=20.0)
    monkeypatch.setattr(vectors, "STEP_ELEMENTS", 20)
    assert torch.allclose(whole, chils_scores(IMAGES, encode, CLASSES, subs, logit_scale=20.0), atol=1e-5)
    assert chils_scores(IMAGES[:0], encode, CLASSES, subs, logit_scale=20.0).shape == (0, 2)


@pytest.mark.parametrize("subs", [[[["x"]]], [[["x"]], []], [[["x"]], [[]]]])
def test_sets_that_do_not_fit_are_refused(subs):
    with pytest.raises(InputError):
        chils_scores(IMAGES, encode, CLASSES, subs, logit_scale=20.0)
