"""The losses of adapters against loops written out from the papers, one image and one text at a time."""

import math

import pytest
import torch

from fieldmark.tools.clip.adapters.losses import bags_loss, texts_loss


def softmax_log(row, at):
    most = max(row)
    return row[at] - most - math.log(sum(math.exp(x - most) for x in row))


@pytest.fixture
def batch():
    """Eight images of three classes; one drawn text per image, as in a batch of AdaptCLIPZS."""
    chance = torch.Generator().manual_seed(4)
    labels = [0, 1, 2, 0, 1, 1, 2, 0]
    return torch.randn(8, 8, generator=chance).double() * 3, labels


def test_one_text_per_image_is_the_released_loss(batch):
    logits, labels = batch
    rows = logits.tolist()
    total = 0.0
    for i, label in enumerate(labels):
        same = [j for j, other in enumerate(labels) if other == label]
        column = [row[i] for row in rows]
        total -= sum(softmax_log(rows[i], j) for j in same) / len(same)
        total -= sum(softmax_log(column, j) for j in same) / len(same)
    own = torch.tensor([[a == b for b in labels] for a in labels])
    assert float(texts_loss(logits, own, own)) == pytest.approx(total / 8)


def test_texts_of_the_own_bag_that_were_not_matched_do_not_count(batch):
    logits, labels = batch
    rows = logits.tolist()
    own = [[a == b for b in labels] for a in labels]
    # Each image is matched with its own texts among the first six; nobody with the last two.
    positive = [[own[i][j] and j < 6 for j in range(8)] for i in range(8)]
    by_image = by_text = 0.0
    for i in range(8):
        counted = [j for j in range(8) if positive[i][j] or not own[i][j]]
        right = [counted.index(j) for j in range(8) if positive[i][j]]
        by_image -= sum(softmax_log([rows[i][j] for j in counted], at) for at in right) / len(right) / 8
    used = [j for j in range(8) if any(positive[i][j] for i in range(8))]
    for j in used:
        counted = [i for i in range(8) if positive[i][j] or not own[i][j]]
        right = [counted.index(i) for i in range(8) if positive[i][j]]
        by_text -= (
            sum(softmax_log([rows[i][j] for i in counted], at) for at in right) / len(right) / len(used)
        )
    assert len(used) == 6
    found = texts_loss(logits, torch.tensor(positive), torch.tensor(own))
    assert float(found) == pytest.approx(by_image + by_text)


def test_gradients_stay_finite_where_texts_are_left_out(batch):
    logits, labels = batch
    own = torch.tensor([[a == b for b in labels] for a in labels])
    positive = own & torch.eye(8, dtype=torch.bool)
    logits.requires_grad_()
    texts_loss(logits, positive, own).backward()
    assert bool(logits.grad.isfinite().all())
    assert bool((logits.grad[own & ~positive] == 0).all())


def test_bags_by_hand():
    """Bags {a, b}, {b, c}, {c}: class logits (3 + 1)/2, (1 + 5)/2 and 5."""
    member = torch.tensor([[1, 1, 0], [0, 1, 1], [0, 0, 1]], dtype=torch.bool)
    loss = bags_loss(torch.tensor([[3.0, 1.0, 5.0]]), member, torch.tensor([1]))
    assert float(loss) == pytest.approx(-softmax_log([2.0, 3.0, 5.0], 1))
