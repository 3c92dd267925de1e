"""A row is paired with the baseline and with the control, each on the same images."""

from dataclasses import replace

import pytest

from fieldmark.evals.methods.clip import METHODS
from fieldmark.evals.table.records import MethodRun, Row, TestRecord
from fieldmark.evals.table.rows import rows_of

CLIP = METHODS[0]
OTHERS = tuple(replace(CLIP, key=key, title=key) for key in ("control", "good", "as-good", "without"))
CLASSES = tuple(f"class {n}" for n in range(20))
TRUTH = TestRecord(
    data="photos",
    setting="test",
    data_hash="x",
    classes=CLASSES,
    labels=tuple(n for n in range(20) for _ in range(4)),
)


def run(method: str, right: int) -> MethodRun:
    """A run that labels the first `right` of each class's four images rightly."""
    said = tuple(n if k < right else (n + 1) % 20 for n in range(20) for k in range(4))
    return MethodRun(
        identity=method, data="photos", setting="test", method=method, seed=0, outcome="done",
        predicted=said, confidence=(0.5,) * 80, among_five=(True,) * 80,
    )  # fmt: skip


def rows(*runs: MethodRun) -> dict[str, Row]:
    made = rows_of(runs, TRUTH, (CLIP, *OTHERS), baseline="clip", control="control", resamples=2000)
    return {row.method: row for row in made}


def test_a_row_stands_against_baseline_and_control() -> None:
    left_out = run("without", 0).model_copy(update={"outcome": "left_out", "predicted": ()})
    made = rows(run("clip", 1), run("control", 2), run("good", 4), run("as-good", 2), left_out)
    assert made["good"].difference == 0.75 and made["good"].control_difference == 0.5
    assert made["good"].control_difference_ci95 == (0.5, 0.5)  # every class gains the same
    assert made["good"].against_control == "beats" and made["good"].against_baseline == "beats"
    assert made["as-good"].control_difference == 0.0 and made["as-good"].against_control == "alike"
    assert made["clip"].difference is None and made["clip"].against_baseline is None
    assert made["clip"].control_difference == -0.25 and made["clip"].against_control == "behind"
    assert made["control"].control_difference is None and made["control"].against_control is None
    assert made["without"].against_control is None


def test_p_is_adjusted_for_all_rows_of_the_setting() -> None:
    made = rows(run("clip", 1), run("control", 2), run("good", 4), run("as-good", 2))
    # Three rows are held against the control: the smallest p counts three times.
    good = made["good"]
    assert good.p_vs_control is not None
    assert good.p_holm_control == pytest.approx(3 * good.p_vs_control)


def test_without_its_control_a_table_has_no_verdicts() -> None:
    made = rows(run("clip", 1), run("good", 4))
    assert made["good"].against_baseline == "beats" and made["good"].against_control is None
