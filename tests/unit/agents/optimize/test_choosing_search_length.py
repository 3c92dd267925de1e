"""What made-up curves choose: how many passes, at which penalty, or no search at all."""

from collections.abc import Mapping, Sequence

import pytest

from fieldmark.agents.optimize.folds import FoldCurve, HeldOutPoint, Stage, conclude_folds, penalties
from fieldmark.agents.optimize.options import OptimizeOptions


def curves(given: Mapping[float, Sequence[Sequence[float]]]) -> tuple[FoldCurve, ...]:
    """Held-out fitness by penalty and fold: at the start, sampled, and after each pass."""
    folds = len(next(iter(given.values())))
    return tuple(
        FoldCurve(
            fold=fold + 1,
            penalty=penalty,
            train_images=6,
            held_out_images=2,
            candidates=100,
            points=tuple(point(place, value) for place, value in enumerate(rows[fold])),
        )
        for fold in range(folds)
        for penalty, rows in given.items()
    )


def point(place: int, value: float) -> HeldOutPoint:
    stage: Stage = "start" if place == 0 else "sampled" if place == 1 else "searched"
    return HeldOutPoint(
        stage=stage, passes=max(0, place - 1), units=10 * (place + 1), train_fitness=place,
        train_top1=0.5, held_out_fitness=value, held_out_top1=0.25,
    )  # fmt: skip


def test_a_search_that_goes_on_improving_is_made_in_full() -> None:
    found = conclude_folds(curves({0.0: [[0, 1, 2, 3], [0, 1.1, 2.1, 3.3]], 0.5: [[0, 1, 1, 1]] * 2}))
    assert (found.chosen.stage, found.chosen.passes, found.chosen.penalty) == ("searched", 2, 0.0)
    assert found.chosen == found.best
    assert found.fold_candidates == 400
    assert found.chosen.units == 40
    assert found.chosen.held_out_fitness == pytest.approx(3.15)
    # one start, whatever a unit costs; then three points at each of two penalties
    assert [(c.stage, c.passes, c.penalty) for c in found.choices] == [
        ("start", 0, 0.0), ("sampled", 0, 0.5), ("sampled", 0, 0.0),
        ("searched", 1, 0.5), ("searched", 1, 0.0), ("searched", 2, 0.5), ("searched", 2, 0.0),
    ]  # fmt: skip


def test_a_search_that_overfits_is_stopped_early() -> None:
    found = conclude_folds(curves({0.0: [[0, 1, 4, 2], [0, 1, 4.5, 1]]}))
    assert (found.chosen.stage, found.chosen.passes) == ("searched", 1)


@pytest.mark.parametrize(("values", "stage"), [([5, 4, 3, 2], "start"), ([1, 4, 3, 2], "sampled")])
def test_no_class_search_and_no_search_at_all_are_among_the_choices(
    values: Sequence[float], stage: str
) -> None:
    found = conclude_folds(curves({0.0: [values, values]}))
    assert (found.chosen.stage, found.chosen.passes) == (stage, 0)


def test_shorter_books_win_within_noise() -> None:
    found = conclude_folds(
        curves({0.0: [[0, 1, 2, 9.0], [0, 1, 2, 9.0]], 0.5: [[0, 1, 2, 8.8], [0, 1, 2, 9.1]]})
    )
    assert (found.chosen.passes, found.chosen.penalty) == (2, 0.5)
    assert found.best.penalty == 0.0
    assert found.chosen.shortfall == pytest.approx(0.05)


def test_a_penalty_that_was_asked_for_stands() -> None:
    assert penalties(OptimizeOptions(penalty=0.7), 80) == (0.7,)
    ladder = penalties(OptimizeOptions(), 80)
    assert ladder[0] == 0
    assert list(ladder) == sorted(set(ladder))
