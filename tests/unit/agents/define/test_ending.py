"""What still hinders the end is said by the conditions that end it."""

import math

import pytest

from fieldmark.agents.define.ending import in_one_line, stop_reason, what_hinders
from fieldmark.agents.define.options import DefineOptions
from fieldmark.agents.define.progress import progress_of
from fieldmark.agents.define.scores import Agreement, Standing
from fieldmark.agents.define.state import DefineState
from fieldmark.records import Concept

OPTIONS = DefineOptions(calls=900)
CONCEPT = Concept(name="x")


def at(
    *, kappa: float = 0.9, pairs: int = 60, own: float = 0.9, back: int = 8, error: float = 0.05
) -> Standing:
    return Standing(f1=0.8, owner=Agreement(kappa, error, pairs), itself=Agreement(own, error, back))


@pytest.mark.parametrize(
    ("quiet", "standing", "missing"),
    [
        (0, at(), ["2 boards in a row that change nothing"]),
        (1, at(), ["1 board in a row that changes nothing"]),
        (2, at(pairs=40), ["10 labels to compare the model with"]),
        (2, at(back=5), ["1 picture shown a second time"]),
        (2, at(kappa=0.6), ["kappa 0.85 between you and the model: it is 0.60, with yourself 0.90"]),
        (2, at(kappa=math.nan, error=math.nan), ["labels of both kinds, to know a kappa"]),
        (2, at(), []),
    ],
)
def test_each_condition_is_named_until_it_is_met(quiet: int, standing: Standing, missing: list[str]) -> None:
    state = DefineState(boards=5, spent=100, quiet=quiet)
    progress = progress_of(state, standing, CONCEPT, OPTIONS)
    assert list(what_hinders(progress)[:-1]) == missing
    ended = stop_reason(state, standing, CONCEPT, quiet=quiet, options=OPTIONS)
    assert (ended == "agreement") is (not missing)


def test_the_budget_is_always_said_and_what_is_over_hinders_nothing() -> None:
    progress = progress_of(DefineState(boards=11, spent=100), at(), CONCEPT, OPTIONS)
    said = in_one_line(what_hinders(progress))
    assert said == (
        "Until the end, still missing: 2 boards in a row that change nothing. "
        "It ends after 1 more board, 80 labels or 800 questions to models at the latest."
    )
    assert what_hinders(progress.model_copy(update={"stop_reason": "boards"})) == ()
    assert in_one_line(()) == ""
