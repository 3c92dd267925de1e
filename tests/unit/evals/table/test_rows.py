"""Rows of the table against small cases computed by hand."""

from fieldmark.evals.table.counting import Cost
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.records import MethodRun, Row, TestRecord
from fieldmark.evals.table.rows import rows_of
from fieldmark.evals.table.test_set import MethodNeed

TRUTH = TestRecord(
    data="d",
    setting="s",
    data_hash="h",
    classes=("a", "b"),
    labels=(0, 0, 0, 0, 1, 1),
    groups=("x", "x", "y", "y", "x", "y"),
    distances=((0, 2), (2, 0)),
)


async def nothing(bench) -> MethodScores:
    return MethodScores()


def method(key: str, **more) -> EvalMethod:
    return EvalMethod(
        key=key, title=key.upper(), source="", needs=frozenset({MethodNeed.NAMES}), run=nothing, **more
    )


def run(key: str, predicted, *, seed=0, **more) -> MethodRun:
    fields = {
        "identity": f"{key}{seed}", "data": "d", "setting": "s", "method": key, "seed": seed,
        "outcome": "done", "predicted": predicted, "confidence": (0.75,) * len(predicted),
        "among_five": (True,) * len(predicted),
    } | more  # fmt: skip
    return MethodRun(**fields)


def rows(runs, *methods, baseline="base") -> dict[str, Row]:
    found = rows_of(runs, TRUTH, methods, baseline=baseline, control="control", resamples=500)
    return {row.method: row for row in found}


def test_accuracies_of_one_run():
    base = run("base", (0, 0, 0, 1, 1, 0))  # right: 1 1 1 0 1 0
    row = rows([base], method("base"))["base"]
    assert row.top1 == round(4 / 6, 4)
    assert row.macro == round((3 / 4 + 1 / 2) / 2, 4)
    assert (row.worst_group, row.worst_group_name) == (round(1 / 3, 4), "y")  # x: 3 of 3, y: 1 of 3
    assert row.ece == round(0.75 - 4 / 6, 4)
    assert row.tree_distance == round(2 * 2 / 6, 4)
    assert row.tree_distance_squared == round(2 * 4 / 6, 4)
    assert row.top5 == 1.0
    assert row.difference is None
    assert row.p_vs_baseline is None
    assert row.ci95[0] <= row.top1 <= row.ci95[1]


def test_an_image_without_a_prediction_is_wrong_and_as_far_as_can_be():
    row = rows([run("base", (0, 0, 0, 0, 1, -1))], method("base"))["base"]
    assert row.top1 == round(5 / 6, 4)
    assert row.tree_distance == round(2 / 6, 4)


def test_pairs_with_the_baseline_and_adjusts_for_all():
    base = run("base", (0, 0, 0, 1, 1, 0))
    better, worse = run("better", TRUTH.labels), run("worse", (1, 1, 1, 1, 0, 0))
    found = rows([base, better, worse], method("base"), method("better"), method("worse"))
    assert found["better"].difference == round(2 / 6, 4)
    assert found["worse"].difference == round(-4 / 6, 4)
    # Two classes: the signs of two sums, four flips. "better" gains 1 in each, so 2 of 4 reach it.
    assert found["better"].p_vs_baseline == 0.5
    assert found["better"].p_holm == 1.0
    assert found["better"].mcnemar_p == 0.5  # two images against none: 2 * (1/2)^2


def test_seeds_are_averaged_and_their_spread_told():
    runs = [run("base", TRUTH.labels), run("drawn", TRUTH.labels), run("drawn", (1, 1, 1, 0, 1, 1), seed=1)]
    row = rows(runs, method("base"), method("drawn", seeded=True))["drawn"]
    assert row.top1 == 0.75
    assert row.seeds == (0, 1)
    assert row.spread == round((0.25**2 * 2) ** 0.5, 4)
    assert row.difference == -0.25


def test_mcnemar_is_of_the_first_seed():
    base = run("base", (1, 1, 1, 0, 1, 1))  # right: the last three
    level, wrong = run("drawn", base.predicted), run("drawn", (1, 1, 1, 1, 0, 0), seed=1)
    for runs in ([level, wrong], [wrong, level]):
        found = rows([base, *runs], method("base"), method("drawn", seeded=True))
        assert found["drawn"].mcnemar_p == 1.0  # right in one of two seeds is not wrong
    # Every label right in seed 0, and three images against none: 2 * (1/2)^3.
    found = rows([base, run("drawn", TRUTH.labels), wrong], method("base"), method("drawn", seeded=True))
    assert (found["drawn"].difference, found["drawn"].mcnemar_p) == (0.0, 0.25)


def test_left_out_and_failed_methods_have_a_row_and_no_figure():
    gone = run("gone", (), outcome="left_out", reason="needs labels")
    failed = run("failed", (), outcome="failed", reason="broke")
    found = rows([run("base", TRUTH.labels), gone, failed], method("base"), method("gone"), method("failed"))
    assert (found["gone"].outcome, found["gone"].reason, found["gone"].top1) == (
        "left_out",
        "needs labels",
        None,
    )
    assert (found["failed"].outcome, found["failed"].top1, found["failed"].p_holm) == ("failed", None, None)


def test_candidate_sets_have_size_and_coverage():
    sets = ((0,), (0, 1), (1,), (0, 1), (1,), ())
    row = rows([run("base", TRUTH.labels, candidates=sets)], method("base"))["base"]
    assert row.set_size == round(7 / 6, 4)
    assert row.coverage == round(4 / 6, 4)


def test_cost_is_what_a_method_needs_and_what_was_paid():
    cost = Cost(llm_requests=5, llm_fresh=2, prompt_tokens=None, completion_tokens=7, texts=9)
    row = rows([run("base", TRUTH.labels, cost=cost, texts_encoded=3, seconds=1.5)], method("base"))["base"]
    assert (row.llm_requests, row.llm_fresh, row.texts, row.texts_encoded) == (5, 2, 9, 3)
    assert row.prompt_tokens is None  # unknown is not nothing
    assert row.completion_tokens == 7


def test_needs_are_of_the_seed_that_needed_most_and_what_was_paid_is_of_all():
    few = Cost(llm_requests=3, llm_fresh=3, prompt_tokens=30, completion_tokens=3, texts=90)
    most = Cost(llm_requests=4, llm_fresh=1, prompt_tokens=400, completion_tokens=44, llm_failed=1, texts=8)
    for seeds in ((few, most), (most, few)):
        runs = [run("drawn", TRUTH.labels, seed=at, cost=cost) for at, cost in enumerate(seeds)]
        row = rows([run("base", TRUTH.labels), *runs], method("base"), method("drawn", seeded=True))["drawn"]
        needed = (row.llm_requests, row.llm_failed, row.prompt_tokens, row.completion_tokens, row.texts)
        assert needed == (4, 1, 400, 44, 8)
        assert row.llm_fresh == 4


def test_without_the_baseline_nothing_is_paired():
    row = rows([run("base", TRUTH.labels)], method("base"), baseline="other")["base"]
    assert row.difference is None
