"""What the benchmark of books makes of its lines: joined by world and seed, and differences over seeds."""

from dataclasses import replace
from typing import Any

from benchmarks.book_and_loop import CLEAR, WAYS, judged, key_of, over_seeds, table, worlds
from benchmarks.book_and_loop import joined as joined_lines
from fieldmark.records import Prediction


def line(way: str, top1: float, *, seed: int = 1, names: str = "new") -> dict[str, Any]:
    world = vars(replace(CLEAR, species=12)) | {"names": names}
    counts = {"resolved": 4, "resolved_right": 3, "bias": 0.0, "ece": 0.05, "images": 10}
    return {**world, "seed": seed, "shots": 4, "way": way, "top1": top1, **counts}


def test_a_world_counts_once_all_ways_are_there() -> None:
    lines = [line(way, 0.5) for way in WAYS] + [line("alone", 0.7, seed=2)]
    [row] = joined_lines(lines)
    assert row["seed"] == 1
    assert set(WAYS) <= set(row)
    assert len({key_of(each) for each in lines}) == len(WAYS) + 1


def test_the_difference_is_paired_and_its_interval_is_over_seeds() -> None:
    tops = {1: (0.5, 0.6), 2: (0.7, 0.7), 3: (0.9, 0.8), 4: (0.4, 0.6)}
    lines = [
        line(way, top, seed=seed, names=names)
        for names in ("new", "mixed")
        for seed, (alone, loop) in tops.items()
        for way, top in (("alone", alone), ("loop", loop), ("unjudged", alone), ("without", 0.5))
    ]
    rows = joined_lines(lines)
    found = over_seeds(rows, lambda row: row["loop"]["top1"] - row["alone"]["top1"])
    assert found.startswith("+5.0 (-")
    assert over_seeds(rows[:1], lambda _: 0.1) == "+10.0"
    head, rule, *body = table(rows).splitlines()
    assert head.count("|") == rule.count("|") == body[0].count("|")
    assert len(body) == 3
    assert "| -10.0 | 40% | 75.0% | 5.0 |" in body[-1]


def test_worlds_differ_and_predictions_are_judged() -> None:
    assert len(set(map(str, worlds(12, ("new", "known"), (0.15,))))) == 6
    of = Prediction(
        image="a.png", image_hash="0", label="wren", confidence=0.75, calibrated=False, status="resolved",
        candidates=(), candidates_left=1, rounds=1, first_label="wren", first_confidence=0.5,
    )  # fmt: skip
    assert judged([of, of], ["wren", "crow"]) == {
        "top1": 0.5, "resolved": 2, "resolved_right": 1, "bias": 0.25, "ece": 0.25, "images": 2,
    }  # fmt: skip
