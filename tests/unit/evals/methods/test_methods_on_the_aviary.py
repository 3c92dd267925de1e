"""Methods on images in a small aviary, with its own model and guide: each does what it is there for."""

from pathlib import Path

import pytest

from fieldmark import Aviary, EvalOptions, Evaluator
from fieldmark.evals.table.records import Row

METHODS = (
    "clip", "dclip", "transclip*", "sus-x*", "caps-adapter*", "tip-adapter", "linear-probe", "loki*", "cased",
    "caption-words", "random-word", "discover",
)  # fmt: skip


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Row]:
    """Row of each setting and method."""
    folder: Path = tmp_path_factory.mktemp("aviary")
    result = Evaluator(
        data=Aviary(species=16, images=6, settings=("taxonomy", "vocabulary")),
        options=EvalOptions(methods=METHODS, shots=4, resamples=200, seeds=1),
        home=folder / "home",
        out=folder / "runs",
    ).run()
    return {(row.setting, row.method): row for row in result.rows}


def test_what_can_be_run_is_run(rows: dict[tuple[str, str], Row]) -> None:
    assert {row.outcome for (setting, _), row in rows.items() if setting == "taxonomy"} == {"done"}
    done = {key for (setting, key), row in rows.items() if setting == "vocabulary" and row.outcome == "done"}
    assert done == {"clip", "cased", "caption-words", "random-word", "discover"}


def test_shots_say_more_than_texts(rows: dict[tuple[str, str], Row]) -> None:
    best = max(rows["taxonomy", key].top1 or 0 for key in ("clip", "dclip"))
    for key in ("tip-adapter", "linear-probe"):
        assert (rows["taxonomy", key].top1 or 0) > best + 0.05


def test_what_texts_say_is_lifted_by_looking_at_all_images(rows: dict[tuple[str, str], Row]) -> None:
    # Of half of the classes the names say nothing; descriptors speak of all.
    for key in ("transclip-descriptors", "sus-x-descriptors"):
        assert (rows["taxonomy", key].top1 or 0) > (rows["taxonomy", "dclip"].top1 or 1)


def test_loki_is_no_farther_off_than_its_base(rows: dict[tuple[str, str], Row]) -> None:
    tree, base = rows["taxonomy", "loki-tree"], rows["taxonomy", "loki-base"]
    # So few images hardly show by how much; that takes the whole aviary.
    assert 0 < (tree.tree_distance_squared or 0) <= (base.tree_distance_squared or 0)


def test_cased_finds_names_that_its_controls_do_not(rows: dict[tuple[str, str], Row]) -> None:
    found = {key: rows["vocabulary", key].cluster_accuracy or 0 for key in ("cased", "caption-words")}
    assert (rows["vocabulary", "discover"].cluster_accuracy or 0) > found["cased"]
    assert rows["vocabulary", "clip"].cluster_accuracy == rows["vocabulary", "clip"].top1
    assert found["cased"] > found["caption-words"] > (rows["vocabulary", "random-word"].cluster_accuracy or 1)
