import numpy as np
import pytest

from fieldmark.evals.owners.aggregate import pooled_result
from fieldmark.evals.owners.results import (
    ControlScore,
    HeldOutF1,
    OwnerResult,
    OwnerRun,
    Stages,
    measured,
)
from fieldmark.evals.owners.simulate import accepted_edits
from fieldmark.records import Clause, Concept, Decision, DefinitionEdit


def run(rule, seed, *, teacher=0.95, student=0.9, control=0.7, served=True, stages=None):
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
        seed=seed,
        difficulty="plain",
        prevalence=0.3,
        f1=found["t"].value,
        ci95=found["t"].ci95,
        student_f1=found["s"].value,
        student_ci95=found["s"].ci95,
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
        stages=stages or {},
    )


def stages(labels, place, *values):
    return Stages(
        labels=labels,
        place=place,
        scores=tuple(HeldOutF1(value=v, replicates=(v - 0.1, v + 0.1)) for v in values),
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


def test_edits_that_were_turned_down_are_not_counted():
    edit = DefinitionEdit(kind="drop", clause=Clause(id="c1", role="necessary", text="It is red."))
    answers = ("accepted", "declined", "accepted: yes", "declined: no, accepted is another")
    decisions = [Decision(kind="edit", question="", answer=said, edit=edit, at="t") for said in answers]
    assert accepted_edits(Concept(name="x", decisions=tuple(decisions))) == 2


def test_an_owner_whom_a_control_could_not_serve_is_left_out_of_its_comparison():
    pooled = pooled_result([run("a", 0), run("b", 1, served=False), run("c", 2)])
    assert pooled.differences["name_only"].owners == 2


def test_an_owner_in_another_world_is_no_further_owner():
    """Hand-made: a and b differ by 0.2 and 0.4 in one world, by 0.4 and 0.6 in the other."""
    runs = [run(rule, seed) for rule in ("a", "b") for seed in (0, 1)]
    gaps = {("a", 0): 0.2, ("a", 1): 0.4, ("b", 0): 0.4, ("b", 1): 0.6}

    def scored(value):
        return HeldOutF1(value=value, replicates=(value,) * 1000)

    runs = [
        one.model_copy(
            update={
                "student": scored(0.9),
                "controls": {"name_only": scored(0.9 - gaps[one.result.rule, one.result.seed])},
            }
        )
        for one in runs
    ]
    gap = pooled_result(runs).differences["name_only"]
    assert gap.owners == 2
    assert gap.value == pytest.approx(0.4)
    # Two owners, whose means are 0.3 and 0.5: no resample lies beyond, and there are four sign patterns.
    assert gap.ci95 == (pytest.approx(0.3), pytest.approx(0.5))
    assert gap.p == pytest.approx(0.5)


def test_conversations_are_compared_stage_by_stage():
    """A conversation that ended stays as it was; one without random boards counts for its own mean alone."""
    runs = [
        run("a", 0, stages={
            "conversation": stages((0, 5, 10), (0, 1, 1), 0.4, 0.8),
            "random_boards": stages((0, 5), (0, 0), 0.4),
        }),
        run("b", 0, stages={
            "conversation": stages((0, 7), (0, 1), 0.2, 0.6),
            "random_boards": stages((0, 7, 14), (0, 0, 1), 0.2, 0.5),
        }),
        run("c", 0, stages={"conversation": stages((0,), (0,), 0.9)}),
        run("d", 0),
    ]  # fmt: skip
    start, first, second = pooled_result(runs).stages
    assert (start.boards, start.labels, start.f1.value) == (0, 0, 0.5)
    assert start.difference is not None
    assert (start.difference.value, start.difference.owners) == (0, 2)
    assert (first.labels, first.f1.value) == (4, pytest.approx((0.8 + 0.6 + 0.9) / 3, abs=1e-4))
    assert first.random_boards is not None
    assert first.random_boards.value == pytest.approx(0.3)
    assert first.difference is not None
    assert first.difference.value == pytest.approx(0.4)
    assert second.labels == pytest.approx((10 + 7 + 0) / 3, abs=0.05)
    assert second.difference is not None
    assert second.difference.value == pytest.approx(((0.8 - 0.4) + (0.6 - 0.5)) / 2)


def test_without_random_boards_there_is_nothing_beside_a_stage():
    (only,) = pooled_result([run("c", 0, stages={"conversation": stages((0,), (0,), 0.9)})]).stages
    assert only.random_boards is None
    assert only.difference is None


def test_runs_go_between_processes_as_json():
    one = run("a", 3, stages={"conversation": stages((0, 5), (0, 1), 0.1, 0.2)})
    assert OwnerRun.model_validate_json(one.model_dump_json()) == one
