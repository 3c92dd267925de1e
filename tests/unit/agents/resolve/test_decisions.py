"""The small decisions of the resolve graph, one by one."""

from typing import Any

import pytest

from fieldmark.agents.resolve.graph import MOST_SENDS, route_plan, route_triage, stalled_rounds, stop_reason
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.resolve.run import last_round_again
from fieldmark.agents.resolve.state import ResolveState, collect
from fieldmark.agents.shared.notes import Note, Notebook, halted, in_plan_order, kept_back, settled
from fieldmark.errors import InputError
from fieldmark.records import QuestionSpec
from fieldmark.tools.runs.events import RoundSummary

SPECS = tuple(QuestionSpec(kind="describe", classes=(name,)) for name in ("finch", "heron", "gull"))


def notes(*failures: Any) -> list[Note]:
    return [Note(spec=spec, failure=failure) for spec, failure in zip(SPECS, failures, strict=False)]


def summary(**given: int) -> RoundSummary:
    values = {"round": 1, "questions": 3, "resolved": 2, "open": 1, "rejected": 0, "candidates": 4}
    return RoundSummary.model_validate(values | given)


@pytest.mark.parametrize(
    ("given", "state", "stalled", "reason"),
    [
        ({}, {"round": 1}, 0, None),
        ({"open": 0}, {"round": 1}, 0, "resolved"),
        ({"open": 0}, {"round": 9}, 9, "resolved"),
        ({}, {"round": 3}, 0, "max_rounds"),
        ({}, {"round": 2}, 2, "no_progress"),
        ({}, {"round": 2}, 1, None),
        ({}, {"round": 3}, 2, "max_rounds"),
        ({}, {"round": 1, "halted": "budget"}, 0, "budget"),
        ({}, {"round": 3, "halted": "endpoint"}, 2, "endpoint"),
        ({"open": 0}, {"round": 1, "halted": "budget"}, 0, "resolved"),
        ({"open": 0}, {"round": 0, "halted": "budget"}, 0, "budget"),
    ],
)
def test_why_the_loop_ends(given: Any, state: Any, stalled: int, reason: str | None) -> None:
    chosen = ResolveOptions(max_rounds=3, patience=2)
    history = [summary(**given)] * (stalled + 1)
    found = stop_reason(history, state=ResolveState(**state), options=chosen)
    assert found == reason


@pytest.mark.parametrize(
    ("candidates", "stalled"), [([9], 0), ([9, 9], 1), ([9, 9, 4], 0), ([9, 4, 4, 4], 2), ([4, 9, 9, 4], 0)]
)
def test_how_long_nothing_has_changed(candidates: list[int], stalled: int) -> None:
    assert stalled_rounds([summary(candidates=each) for each in candidates]) == stalled


def test_a_round_that_is_begun_again_takes_its_own_count_of_candidates_back() -> None:
    """Cut short, it may have lost a candidate after a round that lost none: that one counts again."""
    rounds = tuple(summary(round=number, candidates=left) for number, left in enumerate([9, 9, 4]))
    again = last_round_again(ResolveState(round=2, history=rounds, halted="budget", stop_reason="budget"))
    state = ResolveState.model_validate(again)
    assert stalled_rounds(state.history) == 1
    chosen = ResolveOptions(max_rounds=9, patience=2)
    ended = (*state.history, summary(round=2, candidates=9))
    assert stop_reason(ended, state=state, options=chosen) == "no_progress"


@pytest.mark.parametrize(
    ("failures", "why", "left"),
    [
        ((None, None, None), None, 0),
        ((None, "question", None), None, 0),
        ((None, "unanswered", None), None, 0),
        (("unanswered", "unanswered", "unanswered"), "endpoint", 3),
        (("unanswered",), None, 0),
        ((None, "limit", "limit"), "budget", 2),
        ((None, "endpoint", "unanswered"), "endpoint", 2),
        (("question", "endpoint", "limit"), "budget", 2),
        ((), None, 0),
    ],
)
def test_what_is_kept_back_is_neither_settled_nor_lost(failures: Any, why: str | None, left: int) -> None:
    fresh = notes(*failures)
    planned = SPECS[: len(fresh)]
    assert halted(fresh) == why
    back = kept_back(fresh, planned)
    assert len(back) == left
    assert {spec.key for spec in back} | {note.spec.key for note in settled(fresh)} == {
        s.key for s in planned
    }
    assert len(settled(fresh)) + left == len(fresh)


def test_answers_stand_as_planned_however_they_arrived() -> None:
    fresh = notes(None, None, None)
    assert in_plan_order(fresh[::-1], SPECS) == tuple(fresh)
    assert in_plan_order(fresh[::-1], SPECS[:1]) == (fresh[0], fresh[2], fresh[1])


def test_the_list_of_fresh_answers_grows_and_is_emptied() -> None:
    one, two = notes(None, None)
    assert collect([one], [two]) == [one, two]
    assert collect([one, two], None) == []


def test_a_notebook_keeps_its_order() -> None:
    one, two = notes(None, None)
    assert Notebook(notes=(one,)).with_notes((two,)).notes == (one, two)


def test_routers() -> None:
    assert route_triage(ResolveState()) == "plan"
    assert route_triage(ResolveState(stop_reason="budget")) == "finish"
    assert route_plan(ResolveState()) == "finish"
    many = tuple(QuestionSpec(kind="pair", classes=(str(n), "x")) for n in range(2 * MOST_SENDS + 1))
    sends = route_plan(ResolveState(plan=many))
    assert not isinstance(sends, str)
    assert len(sends) <= MOST_SENDS
    assert sum((send.arg.specs for send in sends), ()) == many


def test_two_specs_are_one_question_whatever_their_need_or_material() -> None:
    spec = QuestionSpec(kind="tabulate", classes=("finch",), attributes=("bill",), material="a", need=1.0)
    assert spec.key == spec.model_copy(update={"material": "b", "need": 2.0}).key
    for change in ({"sample": 1}, {"attributes": ("tail",)}, {"classes": ("gull",)}, {"kind": "again"}):
        assert spec.key != spec.model_copy(update=change).key


@pytest.mark.parametrize(
    "wrong", [{"tau": 0.0}, {"tau": 1.1}, {"max_rounds": -1}, {"rivals": 1.0}, {"k": 0}, {"alpha": 1.0},
              {"group_size": 1}, {"patience": 0}, {"start": "guess"}, {"no_such_option": 1}],
)  # fmt: skip
def test_options_out_of_range_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))) as refused:
        ResolveOptions(**wrong)
    assert refused.value.field == next(iter(wrong))
