"""Priors and groups in a classification: they count, and the run keeps them."""

import csv
from pathlib import Path
from typing import Any

import pytest

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.app.circumstances.given import Circumstances
from fieldmark.app.classifier import Classifier
from fieldmark.errors import InputError, RunError
from fieldmark.testing import ScriptedModel, data_of
from fieldmark.tools.runs.events import ViewWorth
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import read_ask
from tests.graph.classifying import WORLD, draw
from tests.graph.running import options
from tests.graph.world import FakeEncoder

COPIES = 4
OPTIONS = options(rule="evidence", max_rounds=1)


def classifier(place: Path, **given: Any) -> Classifier:
    values = {
        "classes": WORLD.names, "clip": FakeEncoder(WORLD, noise=2.0), "noun": "bird", "options": OPTIONS,
        "llm": ScriptedModel(lambda question: WORLD.answer(data_of(question))),
        "out": place / "runs", "home": place / "home",
    } | given  # fmt: skip
    return Classifier(**values)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return draw(tmp_path / "pictures", [(number, copy) for number in range(6) for copy in range(COPIES)])


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Path]:
    """Every bird lives where its number says, and two pictures in a row show one."""
    rows = [(f"{n}-{copy}.png", n % 3, f"{n}{copy // 2}") for n in range(6) for copy in range(COPIES)]
    about, prior = tmp_path / "about.csv", tmp_path / "prior.csv"
    about.write_text("image,place,bird\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    lives = [",".join(str(5 if n % 3 == place else 1) for n in range(6)) for place in range(3)]
    prior.write_text(
        f"place,{','.join(WORLD.names)}\n" + "".join(f"{at},{row}\n" for at, row in enumerate(lives))
    )
    return {"about": about, "prior": prior}


def test_they_count_and_are_columns_and_a_resumed_run_keeps_them(
    tmp_path: Path, pictures: Path, tables: dict[str, Path]
) -> None:
    found = classifier(tmp_path, **tables, group_by="bird").resolve(pictures)
    counts = found.manifest.counts
    assert (counts["prior_images"], counts["prior_without"]) == (24, 0)
    assert (counts["groups"], counts["grouped_images"]) == (12, 24)
    by_group: dict[str, set[Any]] = {}
    for p in found.predictions:
        at_home = WORLD.numbers[p.label] % 3 == int(Path(p.image).stem[0]) % 3
        assert p.prior == pytest.approx((5 if at_home else 1) / 14)
        by_group.setdefault(str(p.group), set()).add((p.label, p.status, round(p.confidence, 6)))
        parts = {each.attribute: each.contribution for each in p.contributions}
        assert sum(parts.values()) == pytest.approx(p.margin, abs=1e-3)
    assert any("prior" in {c.attribute for c in p.contributions} for p in found.predictions)
    assert len(by_group) == 12 and all(len(said) == 1 for said in by_group.values())
    asked = [each.image_hash for each in read_ask(RunFolder(found.run))]
    groups = [p.group for p in found.predictions if p.image_hash in asked]
    assert len(set(groups)) == len(groups)
    with (found.run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["group"] for row in rows] == [p.group for p in found.predictions]
    assert float(rows[0]["prior"]) == found.predictions[0].prior

    for path in tables.values():
        path.unlink()
    again = Classifier.from_run(found.run, clip=FakeEncoder(WORLD, noise=2.0), llm=None)
    assert again.resolve().predictions == found.predictions
    labelled = {found.predictions[0].image: "wren"}
    anew = Classifier.from_run(found.run, clip=FakeEncoder(WORLD, noise=2.0), labels=labelled, asks=False)
    first, second = anew.resolve().predictions[:2]
    assert (first.decided_by, first.label, first.status) == ("label", "wren", "resolved")
    assert (second.label, second.status, second.group) == ("wren", "resolved", first.group)


def test_an_image_without_a_row_is_said_and_counted(tmp_path: Path, pictures: Path) -> None:
    prior = {
        f"{n}-{copy}.png": {name: 1 + (name == WORLD.names[n]) for name in WORLD.names}
        for n in range(6)
        for copy in range(3)
    }
    found = classifier(tmp_path, prior=prior).resolve(pictures)
    assert found.manifest.counts["prior_without"] == 6
    assert any("6 images have no row in the prior" in note for note in found.manifest.notes)
    assert [p.prior is None for p in found.predictions[:COPIES]] == [False, False, False, True]
    again = classifier(tmp_path, prior=prior).resolve(pictures, resume=found.run.name)
    assert again.predictions == found.predictions


def test_groups_that_do_not_look_like_one_class_are_not_used(tmp_path: Path, pictures: Path) -> None:
    across = {f"{n}-{copy}.png": str(copy) for n in range(6) for copy in range(COPIES)}
    alone = classifier(tmp_path).resolve(pictures)
    found = classifier(tmp_path, group_by=across).resolve(pictures)
    assert any("groups were not used" in note for note in found.manifest.notes)
    assert [(p.label, p.status, p.group) for p in found.predictions] == [
        (p.label, p.status, None) for p in alone.predictions
    ]


def test_images_of_groups_that_were_taken_apart_are_said() -> None:
    known = Circumstances(groups={str(n): str(n // 2) for n in range(24)})
    worth = ViewWorth(known_names=1.0, repeated=0.5, taken_apart=4)
    assert [*known.notes("evidence", worth)] == [
        "4 of the 24 images in groups contradict their group, and are taken one by one."
    ]


def test_a_run_is_not_gone_on_with_under_another_prior(
    tmp_path: Path, pictures: Path, tables: dict[str, Path]
) -> None:
    found = classifier(tmp_path, **tables).resolve(pictures)
    with pytest.raises(RunError, match="was started with the prior"):
        classifier(tmp_path).resolve(pictures, resume=found.run.name)
    with pytest.raises(RunError, match="was started with no group_by"):
        classifier(tmp_path, **tables, group_by="bird").resolve(pictures, resume=found.run.name)


def test_what_has_no_use_is_refused_at_once(tmp_path: Path, tables: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="prior, about are of no use to the rule 'table'"):
        classifier(tmp_path, **tables, options=options(rule="table"))
    with pytest.raises(InputError, match="group_by is of no use to the method"):
        classifier(tmp_path, group_by="folder", method="transclip-zs", options=ResolveOptions())
    with pytest.raises(InputError, match="says nothing by itself"):
        classifier(tmp_path, about=tables["about"])
    with pytest.raises(InputError, match="cannot be grouped by 'brid'"):
        classifier(tmp_path, about=tables["about"], group_by="brid")
    with pytest.raises(InputError, match="Neither the prior nor what groups the images"):
        classifier(tmp_path, about=tables["about"], group_by="folder")
    by_image = {"0-0.png": dict.fromkeys(WORLD.names, 1)}
    with pytest.raises(InputError, match="Neither the prior nor what groups the images"):
        classifier(tmp_path, about=tables["about"], prior=by_image)
