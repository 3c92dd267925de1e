"""FuDD's second step against a straight loop over images, classes and rivals."""

import random

import pytest
import torch

from fieldmark.tools.scoring.fudd import fudd_all_scores, fudd_scores, fudd_scores_within


def plain_fudd(images, encode, first, pairs, default, k):
    scores = torch.full(first.shape, float("-inf"))
    for n in range(len(images)):
        top = first[n].topk(k).indices.tolist()
        for i in top:
            texts = []
            for j in top:
                if i == j:
                    continue
                if (i, j) in pairs:
                    texts += pairs[i, j][0]
                elif (j, i) in pairs:
                    texts += pairs[j, i][1]
                else:
                    texts.append(default[i])
            texts = list(dict.fromkeys(texts)) or [default[i]]
            rows = encode([text.capitalize() for text in texts]).double()
            mean = (rows / rows.norm(dim=1, keepdim=True)).mean(0)
            scores[n, i] = float(images[n].double() @ mean / mean.norm())
    return scores


def made_up(seed, *, classes=12, images=40, pairs=30):
    rng = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.nn.functional.normalize(torch.randn(images, 16, generator=generator), dim=1)
    first = torch.randn(images, classes, generator=generator)
    every = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
    words = ["Red Bill", "red bill", "RED BILL", "long tail", "a Crest", "no crest", "white belly"]
    told = {}
    for i, j in rng.sample(every, pairs):
        sides = tuple([f"{rng.choice(words)} of {c}" for _ in range(rng.randint(0, 4))] for c in (i, j))
        told[i, j] = sides
    return vectors, first, told, [f"A photo of a {c} Bird." for c in range(classes)]


@pytest.mark.parametrize("k", [1, 2, 5, 12])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_plain_loop(encode, seed, k):
    images, first, pairs, default = made_up(seed)
    found = fudd_scores(images, encode, first, pairs, default, k=k)
    expected = plain_fudd(images, encode, first, pairs, default, k)
    assert torch.equal(found.isinf(), expected.isinf())
    assert torch.allclose(found, expected, atol=1e-5)


def test_pairs_may_come_either_way_round(encode):
    images, first, pairs, default = made_up(3)
    turned = {(j, i): (second, one) for (i, j), (one, second) in pairs.items()}
    found = fudd_scores(images, encode, first, pairs, default, k=6)
    assert torch.allclose(found, fudd_scores(images, encode, first, turned, default, k=6), atol=1e-6)


def test_default_sentence_weighs_once_however_many_pairs_are_missing():
    """Class 0 lacks pairs with 2 and 3: its list is [told, default], not [told, default, default]."""
    vectors = {"Told": [1.0, 0.0], "Default": [0.0, 1.0], "Other": [-1.0, 0.0]}
    found = fudd_scores(
        torch.tensor([[1.0, 0.0]]),
        lambda texts: torch.tensor([vectors[text] for text in texts]),
        torch.tensor([[4.0, 3.0, 2.0, 1.0]]),
        {(0, 1): (["told"], ["other"])},
        ["default", "other", "other", "other"],
        k=4,
    )
    assert float(found[0, 0]) == pytest.approx(0.5**0.5, abs=1e-6)


def test_sentences_are_capitalised_after_duplicates_are_dropped():
    """ "red X" and "RED x" both become "Red x" but count twice; an exact repeat counts once."""
    vectors = {"Red x": [1.0, 0.0], "Blue": [0.0, 1.0], "D": [0.0, -1.0]}
    asked = []

    def encode(texts):
        asked.extend(texts)
        return torch.tensor([vectors[text] for text in texts])

    found = fudd_scores(
        torch.tensor([[1.0, 0.0]]),
        encode,
        torch.tensor([[1.0, 0.0]]),
        {(0, 1): (["red X", "RED x", "blue", "blue"], ["d"])},
        ["d", "d"],
        k=2,
    )
    assert sorted(asked) == ["Blue", "D", "Red x"]
    assert float(found[0, 0]) == pytest.approx(2 / 5**0.5, abs=1e-6)
    assert float(found[0, 1]) == pytest.approx(0.0, abs=1e-6)


def test_first_scores_choose_but_do_not_count(encode):
    images, first, pairs, default = made_up(4)
    found = fudd_scores(images, encode, first, pairs, default, k=5)
    assert torch.equal(found, fudd_scores(images, encode, first * 100 + 7, pairs, default, k=5))


def plain_within(images, encode, candidates, pairs, default):
    """Each image by itself, its candidates as the whole problem: a k that is all of them."""
    scores = torch.full(candidates.shape, float("-inf"))
    for n in range(len(images)):
        own = candidates[n].nonzero().flatten().tolist()
        if not own:
            continue
        place = {c: index for index, c in enumerate(own)}
        left = {(place[i], place[j]): sides for (i, j), sides in pairs.items() if i in place and j in place}
        found = plain_fudd(
            images[n : n + 1], encode, torch.zeros(1, len(own)), left, [default[c] for c in own], len(own)
        )
        scores[n, own] = found[0]
    return scores


@pytest.mark.parametrize("seed", [0, 1])
def test_candidate_sets_of_any_size_equal_plain_loop(encode, seed):
    images, first, pairs, default = made_up(seed)
    candidates = torch.rand(first.shape, generator=torch.Generator().manual_seed(seed)) < 0.4
    candidates[0] = False
    candidates[1] = False
    candidates[1, 3] = True
    candidates[2] = True
    found = fudd_scores_within(images, encode, candidates, pairs, default)
    expected = plain_within(images, encode, candidates, pairs, default)
    assert len(set(candidates.sum(1).tolist())) > 4
    assert torch.equal(found.isinf(), ~candidates)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("k", [1, 4, 12])
def test_the_k_best_as_candidates_are_fudd(encode, k):
    images, first, pairs, default = made_up(5)
    mask = torch.zeros_like(first, dtype=torch.bool).scatter(1, first.topk(k, dim=1).indices, True)
    found = fudd_scores_within(images, encode, mask, pairs, default)
    assert torch.allclose(found, fudd_scores(images, encode, first, pairs, default, k=k), atol=1e-6)


def test_classes_that_are_out_bring_no_sentences_in():
    """The pair (0, 2) would pull class 0 away from the image; class 2 is no candidate of it."""
    vectors = {"With one": [1.0, 0.0], "With two": [0.0, 1.0], "D": [0.0, -1.0]}
    found = fudd_scores_within(
        torch.tensor([[1.0, 0.0], [1.0, 0.0]]),
        lambda texts: torch.tensor([vectors[text] for text in texts]),
        torch.tensor([[True, True, False], [True, True, True]]),
        {(0, 1): (["with one"], ["d"]), (0, 2): (["with two"], ["d"])},
        ["d", "d", "d"],
    )
    assert float(found[0, 0]) == pytest.approx(1.0, abs=1e-6)
    assert float(found[1, 0]) == pytest.approx(0.5**0.5, abs=1e-6)
    assert float(found[0, 2]) == float("-inf")


def test_ties_of_the_first_step_go_to_the_classes_that_come_first(encode):
    """Of equal first scores the k first classes stay, however many classes there are."""
    for classes in (12, 40, 200):
        images, _, _, default = made_up(6, classes=classes, pairs=0)
        found = fudd_scores(images, encode, torch.zeros(len(images), classes), {}, default, k=5)
        assert (~found.isinf()).nonzero()[:, 1].reshape(-1, 5).tolist() == [[0, 1, 2, 3, 4]] * len(images)


def plain_all_classes(images, encode, pairs, default):
    """Every stored pair's sentences join both lists; the default stands where a list stays empty."""
    lists = [[] for _ in default]
    for (i, j), sides in pairs.items():
        lists[i] += sides[0]
        lists[j] += sides[1]
    columns = []
    for own, plain in zip(lists, default, strict=True):
        texts = list(dict.fromkeys(own or [plain]))
        rows = encode([text.capitalize() for text in texts]).double()
        mean = (rows / rows.norm(dim=1, keepdim=True)).mean(0)
        columns.append(images.double() @ mean / mean.norm())
    return torch.stack(columns, dim=1).float()


@pytest.mark.parametrize("pairs", [0, 4, 30, 66])
def test_all_classes_equal_the_authors_loop(encode, pairs):
    images, _, told, default = made_up(7, pairs=pairs)
    found = fudd_all_scores(images, encode, told, default)
    assert torch.allclose(found, plain_all_classes(images, encode, told, default), atol=1e-5)
    if pairs == 30:  # missing pairs would bring the default in
        pooled = fudd_scores(images, encode, torch.zeros(len(images), 12), told, default, k=12)
        assert not torch.allclose(found, pooled, atol=1e-3)


def test_of_all_classes_a_sentence_that_reads_like_the_default_counts_as_said():
    vectors = {"D": [1.0, 0.0], "Said": [0.0, 1.0], "Other": [0.0, -1.0]}
    found = fudd_all_scores(
        torch.tensor([[1.0, 0.0]]),
        lambda texts: torch.tensor([vectors[text] for text in texts]),
        {(0, 1): (["said", "d", "said"], ["other"]), (1, 2): ([], [])},
        ["d", "d", "d"],
    )
    assert found[0].tolist() == pytest.approx([0.5**0.5, 0.0, 1.0], abs=1e-6)
