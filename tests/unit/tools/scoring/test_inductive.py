"""The inductive field guide: one image at a time, and how much a class name's own score counts."""

import pytest
import torch

from fieldmark.tools.scoring.inductive import LEAST_NAME_WEIGHT, InductiveGuide, name_weight

SCALE = torch.tensor(9.0).log().item()
# At that scale cosines of 1 against 0 and 0 are 9 : 1 : 1, so that the best name has 9 of 11.
SURE, UNSURE = [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]


def weight(cosines, given=None, *, pooled=False):
    return name_weight(torch.as_tensor(cosines), scale=SCALE, given=given, pooled=pooled).tolist()


def test_names_that_the_encoder_is_sure_of_count_by_as_much():
    assert weight([SURE, UNSURE]) == pytest.approx([9 / 11, 1 / 3])


def test_a_pool_goes_by_the_mean_confidence():
    assert weight([SURE, UNSURE], pooled=True) == pytest.approx([(9 / 11 + 1 / 3) / 2])


def test_names_that_say_nothing_keep_the_least_weight():
    many = torch.zeros(4, 50)
    assert weight(many) == pytest.approx([LEAST_NAME_WEIGHT] * 4)
    assert weight(many, pooled=True) == pytest.approx([LEAST_NAME_WEIGHT])


def test_a_weight_that_is_given_is_taken():
    assert weight([SURE, UNSURE], 0.7) == pytest.approx([0.7] * 2)
    assert weight([SURE], 0.0, pooled=True) == [0.0]


def made(attributes=2):
    torch.manual_seed(0)

    def unit(*shape):
        return torch.nn.functional.normalize(torch.randn(*shape, 16), dim=-1)

    counts = torch.zeros(3, attributes, 3)
    for t in range(attributes):
        counts[torch.arange(3), t, torch.randperm(3)] = 2.0
    return InductiveGuide(unit(attributes, 3), counts, unit(3), unit(40), scale=20.0), unit(7)


def test_no_image_sees_another():
    guide, vectors = made()
    together = guide.scores(vectors)
    alone = torch.cat([guide.scores(each[None]) for each in vectors])
    assert torch.allclose(together, alone, atol=1e-5)
    assert guide.scores(vectors[:0]).shape == (0, 3)


def test_a_value_that_a_class_has_speaks_for_it():
    guide, _ = made()
    images = guide.values[0]
    with_value = guide.counts[:, 0].argmax(1)
    own = InductiveGuide(guide.values[:1], guide.counts[:, :1], guide.names * 0, guide.reference, scale=20.0)
    assert own.scores(images[with_value]).argmax(1).tolist() == [0, 1, 2]


def test_without_an_answer_names_alone_speak():
    guide, _ = made()
    bare = InductiveGuide(
        torch.zeros(0, 0, 16), torch.zeros(3, 0, 0), guide.names, guide.reference, scale=20.0
    )
    assert bare.scores(guide.names).argmax(1).tolist() == [0, 1, 2]
