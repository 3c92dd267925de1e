"""Clauses of a concept are logic: the findings decide, whatever is stated of how sure they are."""

from collections.abc import Mapping
from itertools import product

import pytest
import torch

from fieldmark.records import Call, Clause, ClauseRole, ClauseVerdict, Definition
from fieldmark.tools.annotate.clause_tree import call_of, concept_log_odds

TREE = Definition(
    clauses=(
        Clause(id="n1", role="necessary", text="a bird"),
        Clause(id="p1", role="positive", text="stripes"),
        Clause(id="p2", role="positive", text="bars"),
        Clause(id="x1", role="negative", text="a red cap"),
        Clause(id="old", role="necessary", text="gone", state="dropped"),
    )
)
FINDINGS = ("yes", "no", "abstain", "refused")
IDS = ("n1", "p1", "p2", "x1")


def alike(role: ClauseRole, count: int) -> Definition:
    return Definition(clauses=tuple(Clause(id=f"c{n}", role=role, text=f"{n}") for n in range(count)))


def verdicts(**findings: str) -> list[ClauseVerdict]:
    p = {"yes": 0.9, "no": 0.1, "abstain": None, "refused": None}
    return [ClauseVerdict.model_validate({"clause": c, "finding": f, "p": p[f]}) for c, f in findings.items()]


def stated(definition: Definition, finding: str, p: float) -> list[ClauseVerdict]:
    return [
        ClauseVerdict.model_validate({"clause": c.id, "finding": finding, "p": p}) for c in definition.active
    ]


def test_four_necessary_clauses_at_84_percent_are_in() -> None:
    four = alike("necessary", 4)
    assert call_of(four, stated(four, "yes", 0.84)) == ("in", 0.84)


def test_five_positive_clauses_at_15_percent_are_out() -> None:
    five = alike("positive", 5)
    assert call_of(five, stated(five, "no", 0.15)) == ("out", 0.15)


def test_ten_negative_clauses_that_do_not_hold_at_90_percent_are_in() -> None:
    ten = alike("negative", 10)
    assert call_of(ten, stated(ten, "no", 0.1)) == ("in", 0.9)


def by_every_completion(findings: Mapping[str, str]) -> set[bool]:
    """In or out, for every way in which what is unknown may turn out."""
    choices = [{"yes": (True,), "no": (False,)}.get(findings[name], (True, False)) for name in IDS]
    return {n1 and (p1 or p2) and not x1 for n1, p1, p2, x1 in product(*choices)}


@pytest.mark.parametrize("row", list(product(FINDINGS, repeat=4)), ids=",".join)
def test_the_call_is_what_every_completion_of_the_unknown_agrees_on(row: tuple[str, ...]) -> None:
    findings = dict(zip(IDS, row, strict=True))
    found = by_every_completion(findings)
    call, p = call_of(TREE, verdicts(**findings))
    if len(found) == 1:
        assert call == ("in" if found == {True} else "out")
        assert p is not None
        assert (p >= 0.5) is (call == "in")
    else:
        assert call in ("abstain", "refused")
        assert p is None


@pytest.mark.parametrize(
    ("findings", "call"),
    [
        ({"n1": "abstain", "p1": "no", "p2": "no", "x1": "abstain"}, "out"),  # no positive one can help
        ({"n1": "yes", "p1": "abstain", "p2": "no", "x1": "no"}, "abstain"),
        ({"n1": "yes", "p1": "refused", "p2": "no", "x1": "no"}, "refused"),
        ({"n1": "abstain", "p1": "refused", "p2": "yes", "x1": "no"}, "abstain"),  # p1 would change nothing
        ({"n1": "yes", "p1": "yes", "p2": "no", "x1": "refused"}, "refused"),
        ({"n1": "yes", "p1": "yes", "p2": "no"}, "abstain"),  # nobody said anything of x1
    ],
)
def test_what_is_unknown_is_named_where_it_decides(findings: Mapping[str, str], call: Call) -> None:
    assert call_of(TREE, verdicts(**findings))[0] == call


def test_the_stated_probability_is_that_of_the_clause_on_which_the_call_hangs() -> None:
    p = {"n1": 0.8, "p1": 0.7, "p2": 0.6, "x1": 0.1}
    said = [
        ClauseVerdict.model_validate({"clause": c, "finding": "yes" if value >= 0.5 else "no", "p": value})
        for c, value in p.items()
    ]
    assert call_of(TREE, said) == ("in", 0.7)
    assert call_of(TREE, [said[0].model_copy(update={"finding": "no", "p": 0.2}), *said[1:]]) == ("out", 0.2)


@pytest.mark.parametrize(
    ("finding", "p", "call"), [("yes", 0.3, "in"), ("no", 0.5, "out"), ("no", 0.8, "out")]
)
def test_the_finding_decides_where_what_is_stated_contradicts_it(finding: str, p: float, call: Call) -> None:
    one = alike("necessary", 1)
    assert call_of(one, stated(one, finding, p)) == (call, 0.5)


def test_a_finding_without_a_probability_is_certain() -> None:
    one = alike("negative", 1)
    assert call_of(one, [ClauseVerdict(clause="c0", finding="yes")]) == ("out", 0.0)


def test_without_clauses_nothing_can_be_told() -> None:
    assert call_of(Definition(), []) == ("abstain", None)


@pytest.mark.parametrize("row", list(product(("yes", "no"), repeat=4)), ids=",".join)
def test_log_odds_of_many_images_follow_the_same_logic(row: tuple[str, ...]) -> None:
    size = torch.tensor([0.3, 1.2, 0.7, 2.0])
    sign = torch.tensor([1.0 if finding == "yes" else -1.0 for finding in row])
    together = concept_log_odds(TREE, torch.stack([sign * size, sign.flip(0) * size]))
    for found, findings in zip(together, (row, row[::-1]), strict=True):
        call, _ = call_of(TREE, verdicts(**dict(zip(IDS, findings, strict=True))))
        assert (float(found) > 0) is (call == "in")
        assert abs(float(found)) in size


@pytest.mark.parametrize(("role", "value"), [("necessary", -1.0), ("positive", 2.0), ("negative", -2.0)])
def test_a_definition_of_one_role_hangs_on_its_own_clauses(role: ClauseRole, value: float) -> None:
    assert concept_log_odds(alike(role, 2), torch.tensor([[-1.0, 2.0]])).tolist() == [value]
