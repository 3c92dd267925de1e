"""The map of worlds: what decides a line, and what is made of lines."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from benchmarks.robustness_map import (
    BEGIN,
    END,
    MAP,
    edges,
    grid,
    heat_map,
    key_of,
    on_grid,
    read,
    tables,
    write_page,
)
from fieldmark.evals.worlds.conditions import CLEAR, WorldConditions


def line(conditions: WorldConditions, *, resolve: float, seed: int = 1, **more: object) -> dict[str, Any]:
    return {
        **vars(conditions),
        "rule": "table",
        "seed": seed,
        "top1": {"resolve": resolve},
        "best_simpler": 0.5,
        "images_scored": 100,
        "resolved": 10,
        "resolved_top1": 1.0,
        "questions": 7,
        "open_set": {"auroc_unlisted": None, "auroc_strangers": None},
        "calibration": {"ece": 0.042},
        **more,
    }


def test_no_world_is_measured_twice_and_every_condition_makes_another() -> None:
    worlds = [*grid(), *edges()]
    keys = {key_of(line(world, resolve=0)) for world in worlds}
    assert len(keys) == len(worlds) == 36 + 8 + 18
    assert sum(on_grid(vars(world)) for world in worlds) == 36
    assert all(world.unlisted == 0.1 for world in list(edges())[8:])


def test_a_line_from_before_a_condition_was_known_is_of_the_clear_world() -> None:
    old = {"names": "new", "image_noise": 0.0, "text_noise": 0.0, "mistakes": 0.15, "rule": "table",
           "seed": 1, "images": 1600, "resolved": 10}  # fmt: skip
    assert key_of(read(json.dumps(old))) == key_of(line(CLEAR, resolve=0))
    assert read(json.dumps(old))["images_scored"] == 1600
    now = line(replace(CLEAR, images=4), resolve=0)
    assert read(json.dumps(now)) == now


def test_the_heat_map_says_the_difference_in_number_and_colour() -> None:
    rows = [
        line(CLEAR, resolve=0.6, seed=1),
        line(CLEAR, resolve=0.7, seed=2),
        line(replace(CLEAR, image_noise=1.0), resolve=0.4),
        line(replace(CLEAR, present=0.1), resolve=0.9),  # an edge is no cell
    ]
    drawn = ElementTree.fromstring(heat_map(rows))
    words = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert words.count("+15.0") == words.count("-10.0") == 1
    assert "+40.0" not in words
    fills = [each.get("fill", "") for each in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    red, blue = (
        next((int(f[1:3], 16), int(f[5:7], 16)) for f in fills if len(f) == 7 and f[1:3] == at)
        for at in sorted(f[1:3] for f in fills if len(f) == 7)[::-1]
    )
    assert red[0] > red[1] and blue[0] < blue[1]


def test_a_page_gets_both_tables_and_the_map_beside_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before\n{BEGIN}old{END}\nAfter\n", encoding="utf-8")
    hard = {
        "auroc_unlisted": 0.71,
        "auroc_strangers": 0.93,
        "unlisted": {"resolved": 3, "open": 9, "rejected": 0},
        "strangers": {"resolved": 0, "open": 1, "rejected": 9},
    }
    rows = [
        line(CLEAR, resolve=0.6),
        line(replace(CLEAR, unlisted=0.25, strangers=50), resolve=0.9, open_set=hard),
    ]
    write_page(page, rows)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Before\n") and text.endswith("After\n") and "old" not in text
    assert f"]({MAP})" in text and (tmp_path / MAP).is_file()
    assert "| 25% of the species unlisted, 50 strangers | new | 0 / 0 | 0.15 | table | 50.0 | 90.0 |" in text
    assert "unlisted 0.71, 25% resolved; strangers 0.93, 0% resolved |" in text
    assert "| 100.0% | 4.2 | 7 |" in text
    for part in tables(rows).split("\n\n"):
        assert len({len(re.findall(r"\|", row)) for row in part.splitlines()}) == 1  # columns agree


def test_asked_labels_have_columns_beside_the_others() -> None:
    asked = {
        "labels": 20,
        "images": 80,
        "before": {"top1": 0.6, "ece": 0.1, "resolved": 0, "resolved_right": 0},
        "after": {"top1": 0.65, "ece": 0.031, "resolved": 40, "resolved_right": 39},
    }
    rows = [
        line(CLEAR, resolve=0.6, asked=asked),
        line(replace(CLEAR, mistakes=0.4), resolve=0.4, asked=None),
    ]
    text = tables(rows)
    assert "with 20 asked labels" in text
    assert text.count("| 60.0 → 65.0 | 3.1 | 50% | 97.5% |") == 2  # the world, and the mean of all
    assert "| – | – | – | – |" in text
    assert len({len(re.findall(r"\|", row)) for row in text.splitlines()}) == 1  # columns agree
