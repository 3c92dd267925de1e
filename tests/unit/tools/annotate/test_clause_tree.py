import pytest
import torch

from fieldmark.records import Clause, ClauseVerdict, Definition
from fieldmark.tools.annotate.clause_tree import call_of, tree_probability

TREE = Definition(
    clauses=(
        Clause(id="n1", role="necessary", text="a bird"),
        Clause(id="p1", role="positive", text="stripes"),
        Clause(id="p2", role="positive", text="bars"),
        Clause(id="x1", role="negative", text="a red cap"),
        Clause(id="old", role="necessary", text="gone", state="dropped"),
    )
)


def verdicts(**findings):
    p = {"yes": 0.9, "no": 0.1, "abstain": None, "refused": None}
    return [ClauseVerdict(clause=c, finding=f, p=p[f]) for c, f in findings.items()]


@pytest.mark.parametrize(
    ("findings", "call"),
    [
        ({"n1": "yes", "p1": "yes", "p2": "no", "x1": "no"}, "in"),
        ({"n1": "yes", "p1": "no", "p2": "no", "x1": "no"}, "out"),
        ({"n1": "no", "p1": "refused", "p2": "abstain", "x1": "refused"}, "out"),
        ({"n1": "yes", "p1": "abstain", "p2": "yes", "x1": "yes"}, "out"),
        ({"n1": "yes", "p1": "abstain", "p2": "yes", "x1": "no"}, "in"),
        ({"n1": "yes", "p1": "abstain", "p2": "no", "x1": "no"}, "abstain"),
        ({"n1": "yes", "p1": "yes", "p2": "no", "x1": "refused"}, "refused"),
        ({"n1": "yes", "p1": "yes", "p2": "no"}, "abstain"),
    ],
)
def test_the_call_follows_the_tree_and_never_takes_silence_for_out(findings, call):
    assert call_of(TREE, verdicts(**findings))[0] == call


def test_the_probability_is_the_tree_over_independent_clauses():
    _, p = call_of(TREE, verdicts(n1="yes", p1="yes", p2="no", x1="no"))
    assert p == pytest.approx(0.9 * (1 - 0.1 * 0.9) * 0.9)


def test_without_clauses_nothing_can_be_told():
    assert call_of(Definition(), []) == ("abstain", None)


def test_probabilities_of_many_images_at_once():
    p = {"n1": torch.tensor([1.0, 0.5]), "p1": torch.tensor([1.0, 0.0]), "p2": torch.zeros(2)}
    p["x1"] = torch.tensor([0.25, 0.0])
    assert tree_probability(TREE, p).tolist() == [0.75, 0.0]
