"""TransCLIP and EM-Dirichlet at the edges: no image, one image, exact doubles, absent classes, refusals."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.em_dirichlet import EmDirichletOptions, em_dirichlet_scores
from fieldmark.evals.methods.transclip import TransClipOptions, transclip_scores
from fieldmark.tools.scoring import vectors as steps


def unit_rows(count, width=8, seed=0):
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=1)


def transclip(images, classes):
    return transclip_scores(images, classes, logit_scale=16.0)


def dirichlet(images, classes):
    options = EmDirichletOptions(iterations=3, inner_steps=20)
    return em_dirichlet_scores(images, classes, options=options)


@pytest.mark.parametrize("score", [transclip, dirichlet])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_images_still_get_probabilities(score, count):
    found = score(unit_rows(count).half(), unit_rows(6, seed=1))
    assert found.shape == (count, 6)
    assert found.dtype == torch.float32
    assert torch.allclose(found.sum(dim=1), torch.ones(count), atol=1e-5)


@pytest.mark.parametrize("score", [transclip, dirichlet])
def test_one_class(score):
    assert torch.allclose(score(unit_rows(4), unit_rows(1, seed=1)), torch.ones(4, 1))


@pytest.mark.parametrize("score", [transclip, dirichlet])
def test_doubles_are_labelled_alike(score):
    found = score(unit_rows(3).repeat(4, 1), unit_rows(5, seed=1))
    assert torch.allclose(found[:3].repeat(4, 1), found, atol=1e-4)


def test_a_class_that_no_image_can_be_does_no_harm():
    """At a scale of 5,000 its probability is 0 in every image."""
    images = torch.nn.functional.normalize(unit_rows(12).abs(), dim=1)
    classes = torch.cat([unit_rows(3, seed=1).abs(), -torch.ones(1, 8)])
    classes = torch.nn.functional.normalize(classes, dim=1)
    found = transclip_scores(images, classes, logit_scale=5000.0)
    assert bool(found.isfinite().all())
    assert found[:, 3].max() == 0


@pytest.mark.parametrize("score", [transclip, dirichlet])
def test_blocks_change_nothing(monkeypatch, score):
    images, classes = unit_rows(40), unit_rows(6, seed=1)
    expected = score(images, classes)
    monkeypatch.setattr(steps, "STEP_ELEMENTS", 64)
    assert torch.allclose(score(images, classes), expected, atol=1e-5)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_transclip_mends_texts_that_miss_their_clusters(seed):
    """300 images of 10 classes; by hand-picked noise the texts alone are right on 63 to 89 of 100."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(10, 64, generator=generator)
    truth = torch.arange(300) % 10
    images = centres[truth] + torch.randn(300, 64, generator=generator)
    classes = centres + 2.5 * torch.randn(10, 64, generator=generator)
    images, classes = (torch.nn.functional.normalize(part, dim=1) for part in (images, classes))
    before = ((images @ classes.T).argmax(dim=1) == truth).float().mean()
    after = (transclip_scores(images, classes, logit_scale=10.0).argmax(dim=1) == truth).float().mean()
    assert before < 0.9
    assert after > before + 0.02


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (TransClipOptions, {"steps": -1}),
        (TransClipOptions, {"inner_steps": 0}),
        (TransClipOptions, {"confident": 0}),
        (EmDirichletOptions, {"temperature": 0.0}),
        (EmDirichletOptions, {"iterations": 0}),
        (EmDirichletOptions, {"match": "best"}),
    ],
)
def test_options_out_of_range_are_refused(options, wrong):
    with pytest.raises(InputError):
        options(**wrong)
