"""The table rule: extremes stay finite, forms agree, and images mend a wrong table."""

import math

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.scoring import vectors
from fieldmark.tools.scoring.attribute_evidence import centred
from fieldmark.tools.scoring.contributions import explain_labels
from fieldmark.tools.scoring.table import TableOptions, TableResult, table_rule


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def made_up(*, images=40, classes=6, attributes=4, values=5, seed=0):
    counts = torch.poisson(
        torch.full((classes, attributes, values), 0.7), torch.Generator().manual_seed(seed)
    )
    return noise(images, attributes, values, seed=seed) / 10, counts


def world(*, classes=30, per_class=20, attributes=10, values=5, wrong=0.25, seed=0):
    """Images that show their class's true values noisily, and one vote per entry with mistakes."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, values, (classes, attributes), generator=generator)
    labels = torch.arange(classes).repeat_interleave(per_class)
    shown = torch.nn.functional.one_hot(truth, values).float()[labels]
    bias = 2 * torch.randn(attributes, values, generator=generator)
    cosines = (shown + 0.6 * torch.randn(shown.shape, generator=generator) + bias) / 20
    slips = torch.rand(truth.shape, generator=generator) < wrong
    votes = torch.where(slips, torch.randint(0, values, truth.shape, generator=generator), truth)
    return cosines, torch.nn.functional.one_hot(votes, values).float(), labels, truth


def accuracy(result: TableResult, labels):
    return float((result.scores.argmax(1) == labels).float().mean())


def everything_finite(result: TableResult):
    kept = [result.scores, result.q, result.pi, result.shares, result.seen, result.odds, result.contributions]
    return all(bool(torch.isfinite(item).all()) for item in kept)


def test_images_correct_a_wrong_table():
    found = {"nb": [], "table": [], "table errors": [], "vote errors": []}
    for seed in range(3):
        cosines, counts, labels, truth = world(seed=seed)
        table = table_rule(cosines, counts)
        found["nb"].append(accuracy(table_rule(cosines, counts, options=TableOptions(rounds=0)), labels))
        found["table"].append(accuracy(table, labels))
        found["table errors"].append(float((table.q.argmax(-1) != truth).float().mean()))
        found["vote errors"].append(float((counts.argmax(-1) != truth).float().mean()))
    mean = {name: sum(values) / len(values) for name, values in found.items()}
    assert mean["table"] > mean["nb"] + 0.03
    assert mean["table errors"] < 0.75 * mean["vote errors"]


def test_pool_shares_help_where_classes_are_absent_and_do_no_harm_where_none_is():
    gains, costs, shares = [], [], []
    for seed in range(3):
        cosines, counts, labels, _ = world(seed=seed)
        some = labels < 6
        plain, pool = TableOptions(share="mean"), TableOptions(share="pool")
        few = table_rule(cosines[some], counts, options=pool)
        even = table_rule(cosines[some], counts, options=plain)
        gains.append(accuracy(few, labels[some]) - accuracy(even, labels[some]))
        shares.append(float(few.shares[:6].sum()))
        full = table_rule(cosines, counts, options=pool)
        costs.append(accuracy(table_rule(cosines, counts, options=plain), labels) - accuracy(full, labels))
    assert sum(gains) / 3 > 0.03
    assert max(costs) < 0.01
    assert min(shares) > 0.6


def test_mask_indices_and_all_classes_agree():
    cosines, counts = made_up()
    names = noise(40, 6, seed=3) / 5
    whole = table_rule(cosines, counts, name_scores=names)
    order = torch.rand(40, 6, generator=torch.Generator().manual_seed(4)).argsort(1)
    shuffled = table_rule(cosines, counts, order, name_scores=names)
    assert torch.allclose(whole.scores.gather(1, order), shuffled.scores, atol=1e-5)
    mask = torch.zeros(40, 6, dtype=torch.bool).scatter_(1, order[:, :3], True)
    masked = table_rule(cosines, counts, mask, name_scores=names)
    listed = table_rule(cosines, counts, order[:, :3], name_scores=names)
    assert torch.allclose(masked.scores.gather(1, order[:, :3]), listed.scores, atol=1e-5)
    assert torch.allclose(masked.q, listed.q, atol=1e-5)
    assert bool(masked.scores.masked_fill(mask, -torch.inf).isinf().all())
    padded = torch.cat([order[:, :3], torch.full((40, 2), -1)], dim=1)
    longer = table_rule(cosines, counts, padded, name_scores=names)
    assert torch.allclose(longer.scores[:, :3], listed.scores, atol=1e-5)
    assert bool(longer.scores[:, 3:].isinf().all())


@pytest.mark.parametrize("share", ["mean", "pool"])
def test_forms_agree_with_pool_shares_too(share):
    cosines, counts = made_up(seed=7)
    options = TableOptions(share=share, rounds=2)
    whole = table_rule(cosines, counts, options=options)
    listed = table_rule(cosines, counts, torch.arange(6).expand(40, 6), options)
    assert torch.allclose(whole.scores, listed.scores, atol=1e-4)
    assert torch.allclose(whole.shares, listed.shares, atol=1e-5)


def test_images_without_candidates_have_no_part():
    cosines, counts = made_up()
    mask = torch.ones(40, 6, dtype=torch.bool)
    mask[3] = False
    found = table_rule(cosines, counts, mask, TableOptions(share="pool"))
    assert bool(found.scores[3].isinf().all())
    assert bool(torch.isfinite(found.q).all())
    none_left = torch.full((40, 2), -1)
    assert bool(table_rule(cosines, counts, none_left).scores.isinf().all())


def test_steps_change_nothing(monkeypatch):
    cosines, counts = made_up()
    few = torch.rand(40, 6, generator=torch.Generator().manual_seed(4)).argsort(1)[:, :3]
    options = TableOptions(share="pool")
    whole = [table_rule(cosines, counts, candidates, options) for candidates in (None, few)]
    monkeypatch.setattr(vectors, "STEP_ELEMENTS", 500)
    for before, candidates in zip(whole, (None, few), strict=True):
        after = table_rule(cosines, counts, candidates, options)
        assert torch.allclose(before.scores, after.scores, atol=1e-5)
        assert torch.allclose(before.contributions, after.contributions, atol=1e-5)


def test_the_number_of_threads_changes_nothing(monkeypatch):
    cosines, counts = made_up()
    few = torch.rand(40, 6, generator=torch.Generator().manual_seed(4)).argsort(1)[:, :3]
    monkeypatch.setattr(vectors, "STEP_ELEMENTS", 500)
    before = torch.get_num_threads()
    try:
        for candidates in (None, few):
            torch.set_num_threads(1)
            one = table_rule(cosines, counts, candidates)
            torch.set_num_threads(3)
            three = table_rule(cosines, counts, candidates)
            assert torch.allclose(one.scores, three.scores, atol=1e-6)
            assert torch.allclose(one.q, three.q, atol=1e-6)
            assert torch.equal(three.scores, table_rule(cosines, counts, candidates).scores)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("rounds", [0, 5])
@pytest.mark.parametrize("share", ["mean", "pool"])
class TestExtremes:
    def options(self, rounds, share):
        return TableOptions(rounds=rounds, share=share)

    def test_no_attributes(self, rounds, share):
        names = noise(4, 3)
        found = table_rule(
            torch.zeros(4, 0, 0), torch.zeros(3, 0, 0), options=self.options(rounds, share), name_scores=names
        )
        assert torch.allclose(found.scores, names)
        assert found.contributions.shape == (4, 3, 1)

    def test_one_value_decides_nothing(self, rounds, share):
        counts = torch.tensor([[[1.0]], [[0.0]], [[3.0]]])
        found = table_rule(noise(8, 1, 1), counts, options=self.options(rounds, share))
        assert torch.allclose(found.scores, torch.zeros(8, 3), atol=1e-5)

    def test_an_attribute_without_values_adds_nothing(self, rounds, share):
        cosines, counts = made_up()
        counts[:, 2] = 0
        found = table_rule(cosines, counts, options=self.options(rounds, share))
        assert everything_finite(found)
        assert not bool(found.contributions[..., 2].any())
        assert not bool(found.seen[:, 2].any())
        keep = [0, 1, 3]
        without = table_rule(cosines[:, keep], counts[:, keep], options=self.options(rounds, share))
        assert torch.allclose(found.scores, without.scores, atol=1e-5)

    def test_no_votes_at_all(self, rounds, share):
        found = table_rule(noise(5, 3, 4), torch.zeros(6, 3, 4), options=self.options(rounds, share))
        assert everything_finite(found)
        assert not bool(found.scores.any())

    def test_identical_images(self, rounds, share):
        _, counts = made_up()
        found = table_rule(torch.full((9, 4, 5), 0.25), counts, options=self.options(rounds, share))
        assert everything_finite(found)

    def test_huge_cosines_and_counts(self, rounds, share):
        cosines, counts = made_up()
        found = table_rule(cosines * 1e6, counts * 1e6, options=self.options(rounds, share))
        assert everything_finite(found)

    def test_one_class(self, rounds, share):
        cosines, counts = made_up(classes=1)
        assert everything_finite(table_rule(cosines, counts, options=self.options(rounds, share)))

    def test_no_images(self, rounds, share):
        cosines, counts = made_up()
        found = table_rule(cosines[:0], counts, options=self.options(rounds, share))
        assert found.scores.shape == (0, 6)
        assert bool(torch.isfinite(found.q).all())


def test_unused_values_change_nothing():
    cosines, counts = made_up()
    wider = torch.cat([cosines, 50 * noise(40, 4, 3, seed=5)], dim=-1)
    padded = torch.cat([counts, torch.zeros(6, 4, 3)], dim=-1)
    assert torch.allclose(table_rule(cosines, counts).scores, table_rule(wider, padded).scores, atol=1e-5)


def test_one_image_alone_is_read_by_its_own_values():
    """Image n looks like its class's values; without a pool it must still be told apart."""
    cosines, counts, labels, _ = world(wrong=0.0)
    cosines = cosines - cosines.mean(0)  # an encoder without bias towards some values
    right = [
        int(table_rule(cosines[n : n + 1], counts).scores.argmax()) == int(labels[n])
        for n in range(0, 600, 7)
    ]
    assert sum(right) / len(right) > 0.6


def test_a_reference_pool_stands_in_for_the_pool():
    """One image at a time with a biased encoder: centring by reference images undoes the bias."""
    cosines, counts, labels, _ = world(wrong=0.0)
    chosen = range(0, 600, 7)
    nb = TableOptions(rounds=0)
    pool = table_rule(cosines, counts, options=nb).scores.argmax(1) == labels
    right = {"alone": 0, "reference": 0}
    for n in chosen:
        one = cosines[n : n + 1]
        right["alone"] += int(table_rule(one, counts, options=nb).scores.argmax()) == int(labels[n])
        referred = table_rule(one, counts, options=nb, reference=cosines[1::2])
        right["reference"] += int(referred.scores.argmax()) == int(labels[n])
    assert right["reference"] > right["alone"] + len(chosen) // 4
    assert right["reference"] >= 0.9 * float(pool[list(chosen)].sum())


def test_a_few_images_without_a_reference_are_each_read_alone():
    """Five images of one class: taking off their mean would take off just what they show."""
    cosines, counts, labels, _ = world(wrong=0.0)
    cosines = cosines - cosines.mean(0)  # an encoder without bias towards some values
    right = {8: [], 2: []}
    for start in range(0, 600, 40):
        some = slice(start, start + 5)
        for least, found in right.items():
            result = table_rule(cosines[some], counts, options=TableOptions(rounds=0, least_pool=least))
            found.append(accuracy(result, labels[some]))
    assert sum(right[8]) > sum(right[2]) + 0.3 * len(right[8])


def test_a_pool_too_small_to_show_all_classes_is_not_taken_for_a_few_classes():
    cosines, counts, _, _ = world()
    chosen = torch.randperm(600, generator=torch.Generator().manual_seed(0))[:20]
    shares = table_rule(cosines[chosen], counts).shares
    assert float(shares.max()) < 0.15
    assert float(shares.min()) > 0.01


def test_an_infinite_reference_scores_each_image_as_if_alone():
    cosines, counts, _, _ = world()
    options = TableOptions(rounds=0, share="mean", reference_weight=math.inf)
    whole = table_rule(cosines[::2], counts, options=options, reference=cosines[1::2]).scores
    for n in range(0, 300, 60):
        alone = table_rule(
            cosines[2 * n : 2 * n + 1], counts, options=options, reference=cosines[1::2]
        ).scores
        assert torch.allclose(whole[n], alone[0], atol=1e-5)


def test_reference_weighs_less_the_larger_the_pool():
    cosines, counts, _, _ = world()
    other = cosines.flip(-1)
    plain = table_rule(cosines, counts, options=TableOptions(rounds=0)).scores
    gaps = []
    for weight in (0.0, 5.0, 500.0):
        options = TableOptions(rounds=0, reference_weight=weight)
        gaps.append(
            float((table_rule(cosines, counts, options=options, reference=other).scores - plain).abs().mean())
        )
    assert gaps[0] == pytest.approx(0.0, abs=1e-5)
    assert gaps[0] < gaps[1] < gaps[2]


def test_scores_are_the_sum_of_contributions_and_margins_of_marks():
    cosines, counts = made_up(images=60, classes=9, attributes=16, values=12)
    found = table_rule(cosines, counts, name_scores=noise(60, 9), options=TableOptions(name_weight=3.0))
    assert found.contributions.shape == (60, 9, 17)
    assert torch.allclose(found.contributions.sum(-1), found.scores, atol=1e-5)
    decision = explain_labels(found)
    best = found.scores.topk(2)
    assert torch.equal(decision.label, best.indices[:, 0])
    assert torch.equal(decision.runner_up, best.indices[:, 1])
    assert torch.allclose(decision.margin, (best.values[:, 0] - best.values[:, 1]).double(), atol=1e-5)
    assert torch.allclose(decision.contributions.double().sum(1), decision.margin, atol=1e-6)
    assert torch.equal(decision.label_value, found.q.argmax(-1)[decision.label])


def test_decisions_among_candidates_only():
    cosines, counts = made_up()
    within = torch.zeros(40, 6, dtype=torch.bool)
    within[:, 1:3] = True
    within[0] = False
    within[1, 2] = False
    for candidates in (None, torch.arange(5, -1, -1).expand(40, 6)):
        found = table_rule(cosines, counts, candidates)
        best = (
            found.scores if candidates is None else found.scores.flip(1)
        )  # by class, as the columns go down
        decision = explain_labels(found, within)
        # Nothing left: the best two of all. One left: it wins against the best of those ruled out.
        assert [int(decision.label[0]), int(decision.runner_up[0])] == best[0].topk(2).indices.tolist()
        others = best[1].clone()
        others[1] = -torch.inf
        assert (int(decision.label[1]), int(decision.runner_up[1])) == (1, int(others.argmax()))
        assert abs(float(decision.margin[1]) - float(best[1, 1] - others.max())) < 1e-5
        assert set(decision.label[2:].tolist()) | set(decision.runner_up[2:].tolist()) == {1, 2}
        assert bool((decision.margin[2:] >= 0).all())


def test_contributions_of_some_images_and_classes():
    cosines, counts = made_up()
    found = table_rule(cosines, counts)
    some = found.contributions_of(torch.tensor([[2, -1], [5, 0]]), images=torch.tensor([7, 3]))
    assert torch.allclose(some[0, 0], found.contributions[7, 2])
    assert torch.allclose(some[1, 1], found.contributions[3, 0])
    assert not bool(some[0, 1].any())


def test_centred_names():
    scores = noise(50, 4)
    assert torch.allclose(centred(scores).mean(0), torch.zeros(4), atol=1e-6)
    assert torch.allclose(centred(scores[:1]).mean(1), torch.zeros(1), atol=1e-6)
    reference = noise(20, 4, seed=9) + 5
    mixed = centred(scores, reference, reference_weight=50.0)
    assert torch.allclose(mixed, scores - (scores.mean(0) + reference.mean(0)) / 2, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"cosines": torch.zeros(40, 4, 6)},
        {"cosines": torch.full((40, 4, 5), float("nan"))},
        {"counts": -torch.ones(6, 4, 5)},
        {"counts": torch.zeros(0, 4, 5)},
        {"candidates": torch.tensor([[6]]).expand(40, 1)},
        {"candidates": torch.ones(40, 5, dtype=torch.bool)},
        {"candidates": torch.zeros(3, 2, dtype=torch.int64)},
        {"name_scores": torch.zeros(40, 5)},
        {"reference": torch.zeros(0, 4, 5)},
        {"reference": torch.zeros(3, 4, 4)},
    ],
)
def test_input_that_does_not_fit_is_refused(change):
    cosines, counts = made_up()
    given = {"cosines": cosines, "counts": counts} | change
    with pytest.raises(InputError):
        table_rule(**given)


@pytest.mark.parametrize(
    "options",
    [
        {"beta": 0.0},
        {"eps": 0.0},
        {"eps": 1.0},
        {"eta": 0.0},
        {"kappa": -1.0},
        {"rounds": -1},
        {"share": "all"},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InputError):
        TableOptions(**options)
