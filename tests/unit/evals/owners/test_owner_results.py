import numpy as np
import pytest

from fieldmark.evals.owners.results import (
    ControlScore,
    OwnerResult,
    OwnerRun,
    measured,
    pooled_result,
)


def run(rule, seed, *, teacher=0.95, student=0.9, control=0.7, served=True):
    chance = np.random.default_rng(seed)
    truth = (chance.random(400) < 0.3).astype(float)

    def said(right):
        return np.where(chance.random(400) < right, truth, 1 - truth)

    found = {
        name: measured(truth, said(share), seed=seed)
        for name, share in (("t", teacher), ("s", student), ("c", control))
    }
    result = OwnerResult(
        rule=rule,
        difficulty="plain",
        prevalence=0.3,
        f1=found["t"].value,
        ci95=found["t"].interval,
        student_f1=found["s"].value,
        student_ci95=found["s"].interval,
        auprc=0.5,
        kappa_owner_annotator=0.8,
        kappa_from_instructions=None,
        self_kappa=None,
        labels_used=10,
        questions=2,
        vlm_calls=5,
        boards=1,
        edits=0,
        stop_reason="boards",
        clauses=(),
        controls={"name_only": ControlScore(f1=0.5, ci95=(0.4, 0.6), auprc=0.4)},
    )
    return OwnerRun(
        result=result,
        teacher=found["t"],
        student=found["s"],
        controls={"name_only": found["c"]} if served else {},
    )


def test_pooling_is_the_mean_over_owners_with_paired_differences():
    runs = [run(f"r{n}", n) for n in range(6)]
    pooled = pooled_result(runs)
    assert pooled.student_f1.value == pytest.approx(np.mean([r.student.value for r in runs]), abs=1e-4)
    gap = pooled.differences["name_only"]
    assert gap.value == pytest.approx(
        np.mean([r.student.value - r.controls["name_only"].value for r in runs]), abs=1e-4
    )
    assert gap.ci95[0] > 0
    assert gap.p == pytest.approx(2 / 64, rel=0.01)
    assert pooled.teacher_gap.value > 0
    assert pooled.kappa_from_instructions is None
    assert pooled.kappa_owner_annotator == 0.8


def test_an_owner_whom_a_control_could_not_serve_is_left_out_of_its_comparison():
    pooled = pooled_result([run("a", 0), run("b", 1, served=False), run("c", 2)])
    assert pooled.differences["name_only"].owners == 2


def test_runs_go_between_processes_as_json():
    one = run("a", 3)
    assert OwnerRun.model_validate_json(one.model_dump_json()) == one
